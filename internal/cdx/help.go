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
the login up again if Codex renewed it. Nothing is printed while all is well.

  cdx [ARGUMENTS]       run Codex; everything below is not passed on
  cdx -- ARGUMENTS      run Codex, even if the first argument is one of the words below

  cdx enroll            make this machine a host: reads the install URL from standard input
  cdx sync              take the fleet's login now; undoes cdx logout
  cdx logout            remove the login from this machine only; the fleet keeps it
  cdx login             says how the fleet gets a new login
  cdx update            bring cdx and Codex to what the fleet wants, now (also --update, -U)
  cdx uninstall         remove what cdx made here, and this machine from the fleet; asks first
                        (also --uninstall). --yes: does not ask; --purge: Codex's sessions and
                        history as well; --all-users: root, in the homes of other users as well
  cdx version           print the version of cdx (also --wrapper-version, -W)
  cdx help              print this text; Codex's own is cdx --help

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

// environment is the one table of the variables that cdx reads.
var environment = []struct{ name, meaning string }{
	{envConfigPath, "the configuration, else cdx/host.json in the user's configuration directory"},
	{envCodexHome, "where Codex keeps auth.json, else ~/.codex"},
	{envCodexBin, "the Codex to start; nothing is installed or advised then"},
	{"CODEX_API_KEY", "or CODEX_ACCESS_TOKEN: your own credential; while set nothing is sent up"},
	{"HTTPS_PROXY", "how to reach the gateway; NO_PROXY names exceptions"},
}
