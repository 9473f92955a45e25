package cdx

import (
	"slices"
	"strings"
	"testing"
)

func TestClassify(t *testing.T) {
	t.Parallel()
	cases := []struct {
		args string // words
		verb verb
		rest string // what Codex gets
	}{
		{"", verbRun, ""},
		{"hello", verbRun, "hello"},
		{"exec --json x", verbRun, "exec --json x"},
		{"enroll", verbEnrol, ""},
		{"enroll --help", verbHelp, ""},
		{"enroll http://x/install/1", verbMisused, ""},
		{"sync", verbSync, ""},
		{"sync now", verbMisused, ""},
		{"exec sync", verbRun, "exec sync"},
		{"-c a=b sync", verbRun, "-c a=b sync"},
		{"help", verbHelp, ""},
		{"help exec", verbPass, "help exec"},
		{"version", verbVersion, ""},
		{"-W", verbVersion, ""},
		{"--wrapper-version", verbVersion, ""},
		{"login", verbLogin, ""},
		{"login status", verbRun, "login status"},
		{"login -c a=b status", verbRun, "login -c a=b status"},
		{"login --help", verbPass, "login --help"},
		{"login --device-auth", verbLoginArgs, "login --device-auth"},
		{"-c a=b login", verbLoginArgs, "-c a=b login"},
		{"-ca=b login --with-api-key", verbLoginArgs, "-ca=b login --with-api-key"},
		{"--model=o3 --search login", verbLoginArgs, "--model=o3 --search login"},
		{"-m login", verbRun, "-m login"},
		{"exec login", verbRun, "exec login"},
		{"-- login", verbLoginArgs, "login"},
		{"-- -- login", verbRun, "-- login"},
		{"logout", verbLogout, ""},
		{"logout -h", verbPass, "logout -h"},
		{"logout --enable x", verbLogoutArgs, "logout --enable x"},
		{"-- logout", verbLogoutArgs, "logout"},
		{"--enable logout", verbRun, "--enable logout"},
		{"--help", verbPass, "--help"},
		{"-h", verbPass, "-h"},
		{"--version", verbPass, "--version"},
		{"-V", verbPass, "-V"},
		{"exec resume --help", verbPass, "exec resume --help"},
		{"-- --help", verbPass, "--help"},
		{"-- -- --help", verbRun, "-- --help"},
		{"exec -- --help", verbRun, "exec -- --help"},
		{"completion zsh", verbCompletion, ""},
		{"completion elvish", verbMisused, ""},
		{"completion", verbMisused, ""},
		{"completion --help", verbHelp, ""},
		{"-- completion zsh", verbPass, "completion zsh"},
		{"status", verbStatus, ""},
		{"status -o json --color=never", verbStatus, ""},
		{"status --output=text", verbStatus, ""},
		{"status -o yaml", verbMisused, ""},
		{"status -o", verbMisused, ""},
		{"status now", verbMisused, ""},
		{"status -h", verbHelp, ""},
		{"doctor", verbDoctor, ""},
		{"doctor --json", verbMisused, ""},
		{"-- doctor --json", verbRun, "doctor --json"},
		{"--execute hi", verbRun, "exec --skip-git-repo-check -- hi"},
		{"--execute -x --json -m o3", verbRun, "exec --skip-git-repo-check --json -m o3 -- -x"},
		{"--execute --help", verbRun, "exec --skip-git-repo-check -- --help"},
		{"--execute hi --help", verbPass, "exec --skip-git-repo-check --help -- hi"},
		{"--execute", verbMisused, ""},
		{"-m o3 help", verbPass, "-m o3 help"},
		{"update", verbUpdate, ""},
		{"--update", verbUpdate, ""},
		{"-U", verbUpdate, ""},
		{"update -h", verbHelp, ""},
		{"update now", verbMisused, ""},
		{"-- update", verbRun, "update"},
		{"uninstall", verbUninstall, ""},
		{"uninstall --yes --purge", verbUninstall, "--yes --purge"},
		{"--uninstall --all-users", verbUninstall, "--all-users"},
		{"uninstall --help", verbHelp, ""},
		{"uninstall -y", verbMisused, ""},
		{"-- uninstall", verbRun, "uninstall"},
		{backgroundFlag, verbBackground, ""},
		{backgroundFlag + " x", verbMisused, ""},
		{"-- " + backgroundFlag, verbRun, backgroundFlag},
	}
	for _, c := range cases {
		got := classify(strings.Fields(c.args))
		if got.verb != c.verb || !slices.Equal(got.args, strings.Fields(c.rest)) {
			t.Errorf("cdx %s: got %s %q, want %s %q", c.args, got.verb, got.args, c.verb, c.rest)
		}
		if (got.misuse != "") != (got.verb == verbMisused) {
			t.Errorf("cdx %s: got misuse %q", c.args, got.misuse)
		}
	}
}

func TestHelpNamesEverything(t *testing.T) {
	t.Parallel()
	text := helpText()
	for _, word := range []string{"cdx enroll", "cdx sync", "cdx logout", "cdx login", "cdx version", "cdx help", "cdx --"} {
		if !strings.Contains(text, word) {
			t.Errorf("the help does not name %q", word)
		}
	}
	for _, d := range verbs {
		for _, word := range append([]string{d.name}, d.also...) {
			if !strings.Contains(text, word) {
				t.Errorf("the help does not name %q", word)
			}
			if c := classify([]string{word}); c.verb == verbRun || c.verb == verbPass {
				t.Errorf("cdx %s is Codex's, and the table says that it is ours", word)
			}
		}
	}
	for _, d := range leading {
		for _, word := range append([]string{d.name}, d.also...) {
			if !strings.Contains(text, word) {
				t.Errorf("the help does not name %q", word)
			}
			_, rest, misuse := leadingOptions([]string{word})
			if c := classify(rest); len(rest) > 0 && misuse == "" && c.verb != verbMisused {
				t.Errorf("cdx %s is Codex's, and the table says that it is ours", word)
			}
		}
	}
	for _, exit := range []Exit{ExitAttention, ExitUsage, ExitUnavailable, ExitCannotWrite, ExitTryLater, ExitQuota, ExitDenied, ExitConfig, ExitNoCodex} {
		if !slices.ContainsFunc(exits, func(row struct {
			exit    Exit
			meaning string
		}) bool {
			return row.exit == exit
		}) {
			t.Errorf("exit status %d is not in the table", exit)
		}
	}
	for _, name := range ownCredentialEnv {
		if !strings.Contains(text, name) {
			t.Errorf("the help does not name %s", name)
		}
	}
	for line := range strings.Lines(text) {
		if len(line) > 97 {
			t.Errorf("%d columns: %s", len(line)-1, line)
		}
	}
}
