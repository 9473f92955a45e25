package cdx

// described is one word of ours on a command line, for the help, the manual page and the shells.
type described struct {
	name    string   // the word
	args    string   // what may follow it
	meaning string   // one line
	long    string   // more about it, for the manual page; ""
	also    []string // older spellings of it
}

// verbs is the one table of the commands of cdx.
var verbs = []described{
	{name: "enroll", meaning: "make this machine a host: reads the install URL from standard input"},
	{name: "sync", meaning: "take the fleet's login now; undoes cdx logout"},
	{
		name: "status", args: "[-o text|json]", meaning: "what is here: login, quota, versions; asks the gateway, changes nothing",
		long: "Exit status 0, 1 when something needs attention, 77 when the gateway refuses this machine.",
	},
	{
		name: "doctor", args: "[-o text|json]", meaning: "look for what is wrong, and say what corrects it; changes nothing",
		long: "Exit status 0, 1 when something needs attention or failed.",
	},
	{name: "logout", meaning: "remove the login from this machine only; the fleet keeps it"},
	{name: "login", meaning: "a new login for the whole fleet; the gateway or an admin takes it"},
	{
		name: "update", meaning: "bring cdx and Codex to what the fleet wants, now", also: []string{"--update", "-U"},
		long: "Works where auto_update is off too, and never without the gateway's signature.",
	},
	{
		name: "uninstall", args: "[--yes] [--purge] [--all-users]", also: []string{"--uninstall"},
		meaning: "remove what cdx made here and leave the fleet; asks first",
		long: "--yes does not ask; --purge takes Codex's sessions and history as well; --all-users is for root and takes what cdx made in " +
			"the homes of other users as well.",
	},
	{
		name: "completion", args: "bash|zsh|fish|powershell", meaning: "print what completes the words of cdx in that shell",
		long: "In bash, for example: source <(cdx completion bash). With Codex's own completion loaded too, Codex's words are completed behind cdx.",
	},
	{name: "version", meaning: "print the version of cdx", also: []string{"--wrapper-version", "-W"}},
	{name: "help", meaning: "print this text; Codex's own is cdx --help"},
}

// leading is the one table of the options that stand before everything else.
var leading = []described{
	{name: "--silent", meaning: "print refusals and losses only, neither card nor footer nor notices"},
	{name: "--debug", meaning: "say on standard error what is asked and how long it took", also: []string{"--verbose"}},
	{name: "--color", args: "auto|always|never", meaning: "colours of what cdx prints; NO_COLOR and CLICOLOR_FORCE are heeded too"},
	{
		name: "--execute", args: `"PROMPT" [ARGUMENTS]`, meaning: "codex exec --skip-git-repo-check ARGUMENTS -- PROMPT",
		long: "An old spelling: no sandbox, approval or model is chosen for you.",
	},
}
