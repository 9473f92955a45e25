package cdx

import "slices"

// verb is what a command line asks of cdx.
type verb string

const (
	verbRun        verb = "run Codex with the fleet's login"
	verbPass       verb = "run Codex without asking the gateway"
	verbLoginArgs  verb = "Codex's own login"
	verbLogoutArgs verb = "Codex's own logout"
	verbEnrol      verb = "enroll"
	verbSync       verb = "sync"
	verbLogin      verb = "login"
	verbLogout     verb = "logout"
	verbHelp       verb = "help"
	verbVersion    verb = "version"
	verbStatus     verb = "status"
	verbDoctor     verb = "doctor"
	verbCompletion verb = "completion"
	verbMisused    verb = "misused"
	verbUpdate     verb = "update"
	verbUninstall  verb = "uninstall"
	verbBackground verb = "bring programs up to date for another cdx"
)

// call is a classified command line.
type call struct {
	verb    verb
	args    []string // what Codex gets, byte for byte
	literal bool     // a leading "--" said that the first word is Codex's
	misuse  string   // verbMisused: what is wrong
	output  string   // verbStatus, verbDoctor: text or json
	colour  string   // likewise: as in options
	shell   string   // verbCompletion: one of shells
}

// classify decides who answers a command line. Our verbs count only as the first argument; whatever is not ours
// reaches Codex as it is, except that one leading "--" is taken away: it says that a verb means Codex's.
func classify(args []string) call {
	if len(args) == 0 {
		return call{verb: verbRun}
	}
	if args[0] == "--" {
		c := codexCall(args[1:])
		c.literal = true
		return c
	}
	alone := len(args) == 1
	switch args[0] {
	case "help":
		if alone {
			return call{verb: verbHelp}
		}
		return call{verb: verbPass, args: args} // codex help exec
	case "version", "--wrapper-version", "-W":
		return own(verbVersion, args, "cdx version takes no arguments")
	case "enroll":
		return own(verbEnrol, args, "cdx enroll reads the install URL from standard input: it is a secret, and other users see arguments")
	case "sync":
		return own(verbSync, args, "cdx sync takes no arguments")
	case "status":
		return reporting(verbStatus, args)
	case "doctor":
		return reporting(verbDoctor, args)
	case "completion":
		return completing(args)
	case "--execute":
		return executing(args[1:])
	case "login":
		if alone {
			return call{verb: verbLogin}
		}
	case "logout":
		if alone {
			return call{verb: verbLogout}
		}
	case "update", "--update", "-U":
		return own(verbUpdate, args, "cdx update takes no arguments")
	case "uninstall", "--uninstall":
		return uninstallCall(args)
	case backgroundFlag:
		return own(verbBackground, args, backgroundFlag+" takes no arguments")
	}
	return codexCall(args)
}

// own is a call of a verb that takes no arguments but -h and --help.
func own(v verb, args []string, misuse string) call {
	switch {
	case len(args) == 1:
		return call{verb: v}
	case asksForHelp(args):
		return call{verb: verbHelp}
	default:
		return call{verb: verbMisused, misuse: misuse}
	}
}

// codexCall sorts what reaches Codex by what Codex will do to the login on disk.
func codexCall(args []string) call {
	if asksForHelp(args) {
		return call{verb: verbPass, args: args}
	}
	command, rest := codexCommand(args)
	switch {
	case command == "help" || command == "completion":
		return call{verb: verbPass, args: args}
	case command == "login" && !slices.Contains(rest, "status"):
		return call{verb: verbLoginArgs, args: args}
	case command == "logout":
		return call{verb: verbLogoutArgs, args: args}
	}
	return call{verb: verbRun, args: args}
}

// asksForHelp reports whether Codex will only print a help text or its version. Taking a value for such an option
// costs nothing: Codex then runs with the login that is already on disk.
func asksForHelp(args []string) bool {
	for _, arg := range args {
		switch arg {
		case "--": // what follows belongs to a prompt or a command
			return false
		case "-h", "--help", "-V", "--version":
			return true
		}
	}
	return false
}

// codexValueOptions are Codex's global options that take the next argument as their value. Each occurrence takes one;
// --image takes more, but no file of that name is a subcommand's.
var codexValueOptions = []string{
	"-c", "--config", "--enable", "--disable", "--remote", "--remote-auth-token-env", "-i", "--image", "-m", "--model",
	"--local-provider", "-p", "--profile", "-s", "--sandbox", "-C", "--cd", "--add-dir", "-a", "--ask-for-approval",
}

// codexCommand returns the first argument of Codex that is neither an option nor an option's value, and what follows it.
func codexCommand(args []string) (command string, rest []string) {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "--":
			return "", nil // a prompt, whatever it says
		case slices.Contains(codexValueOptions, arg):
			i++
		case len(arg) > 1 && arg[0] == '-':
		default:
			return arg, args[i+1:]
		}
	}
	return "", nil
}
