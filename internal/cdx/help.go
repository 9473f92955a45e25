package cdx

import (
	"fmt"
	"strings"
)

// helpText is cdx help: what cdx is, its verbs, the environment, the exit statuses.
func helpText() string {
	var b strings.Builder
	b.WriteString(`cdx runs Codex with the login of your fleet.

It asks the gateway for the login, starts Codex with the arguments you gave, and sends
the login up again if Codex renewed it. On a terminal a few lines say how things stand;
elsewhere nothing is printed while all is well.

  cdx [ARGUMENTS]  run Codex; everything below is not passed on
  cdx -- ARGUMENTS run Codex, even if the first argument is one of the words below

`)
	for _, v := range verbs {
		fmt.Fprintf(&b, "  %-16s %s%s\n", "cdx "+v.name, v.meaning, v.alias())
	}
	b.WriteString("\nOptions, before everything else\n\n")
	for _, o := range leading {
		fmt.Fprintf(&b, "  %-16s %s%s\n", o.name, o.meaning, o.alias())
	}
	b.WriteString(`
Options after login and logout are for Codex; the fleet's login is kept out of their reach.

Environment

`)
	for _, variable := range environment {
		fmt.Fprintf(&b, "  %-16s %s\n", variable.name, variable.meaning)
	}
	b.WriteString("\nExit status: Codex's own, 128 + N if signal N ended it. If Codex was not started:\n\n")
	for _, row := range exits {
		fmt.Fprintf(&b, "  %-4d %s\n", row.exit, row.meaning)
	}
	return b.String()
}

// alias names the older spellings of a word: " (also --verbose)".
func (d described) alias() string {
	if len(d.also) == 0 {
		return ""
	}
	return " (also " + strings.Join(d.also, ", ") + ")"
}

// environment is the one table of the variables that cdx reads.
var environment = []struct{ name, meaning string }{
	{envConfigPath, "the configuration, else cdx/host.json in the user's configuration directory"},
	{envCodexHome, "where Codex keeps auth.json, else ~/.codex"},
	{envCodexBin, "the Codex to start; nothing is installed or advised then"},
	{"CODEX_API_KEY", "or CODEX_ACCESS_TOKEN: your own credential; while set nothing is sent up"},
	{envSyncTimeout, "how long a start may wait for the gateway: 10s, between 1s and 5m"},
	{"NO_COLOR", "no colours; CLICOLOR_FORCE wants them, CDX_ASCII=1 wants nothing but ASCII"},
	{"HTTPS_PROXY", "how to reach the gateway; NO_PROXY names exceptions"},
}
