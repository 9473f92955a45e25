package cdx

import (
	"slices"
	"strings"
)

// options are what may stand before everything else on a command line: they are about cdx, and no Codex has options of
// these names in that place. The zero value is none of them.
type options struct {
	silent bool   // only refusals, and what would be lost
	debug  bool   // what is asked, and what came of it, on standard error
	colour string // auto, always or never; "": auto
}

// colours are the values of --color.
var colours = []string{"auto", "always", "never"}

// leadingOptions takes our options from the beginning of a command line, up to the first argument that is not one of
// them: what stands behind that belongs to Codex or to one of our verbs, byte for byte.
func leadingOptions(args []string) (o options, rest []string, misuse string) {
	for len(args) > 0 {
		switch args[0] {
		case "--silent":
			o.silent = true
		case "--debug", "--verbose":
			o.debug = true
		default:
			colour, taken, misuse := valueOption(args, "--color", colours)
			if taken == 0 || misuse != "" {
				return o, args, misuse
			}
			o.colour, args = colour, args[taken:]
			continue
		}
		args = args[1:]
	}
	return o, args, ""
}

// valueOption reads args[0] as option name with one of the allowed values, as NAME VALUE or NAME=VALUE. taken is how
// many arguments that were; 0: it is another argument.
func valueOption(args []string, name string, allowed []string) (value string, taken int, misuse string) {
	value, taken = "", 1
	switch rest, joined := strings.CutPrefix(args[0], name+"="); {
	case joined:
		value = rest
	case args[0] != name:
		return "", 0, ""
	case len(args) > 1:
		value, taken = args[1], 2
	}
	if !slices.Contains(allowed, value) {
		return "", taken, name + " takes one of " + strings.Join(allowed, ", ")
	}
	return value, taken, ""
}

// outputs are the values of -o.
var outputs = []string{"text", "json"}

// reporting is a call of a verb that prints a report: cdx status [-o text|json].
func reporting(v verb, args []string) call {
	c := call{verb: v, output: outputs[0]}
	if asksForHelp(args[1:]) {
		return call{verb: verbHelp}
	}
	for rest := args[1:]; len(rest) > 0; {
		taken := 0
		for _, option := range []struct {
			name    string
			allowed []string
			to      *string
		}{{"-o", outputs, &c.output}, {"--output", outputs, &c.output}, {"--color", colours, &c.colour}} {
			value, n, misuse := valueOption(rest, option.name, option.allowed)
			if misuse != "" {
				return call{verb: verbMisused, misuse: misuse}
			}
			if n > 0 {
				*option.to, taken = value, n
				break
			}
		}
		if taken == 0 {
			return call{verb: verbMisused, misuse: "cdx " + args[0] + " takes -o text or -o json, and --color"}
		}
		rest = rest[taken:]
	}
	return c
}

// completing is cdx completion SHELL. The shells that only Codex can serve are Codex's: cdx -- completion elvish.
func completing(args []string) call {
	switch {
	case asksForHelp(args[1:]):
		return call{verb: verbHelp}
	case len(args) == 2 && slices.Contains(shells, args[1]):
		return call{verb: verbCompletion, shell: args[1]}
	}
	return call{
		verb:   verbMisused,
		misuse: "cdx completion takes one of " + strings.Join(shells, ", ") + "; Codex's own is cdx -- completion",
	}
}

// executing is cdx --execute "PROMPT" [ARGS…], an old spelling of codex exec. It adds what the old one allowed, a
// directory that is no repository, and neither sandbox nor approval nor model.
func executing(args []string) call {
	if len(args) == 0 {
		return call{verb: verbMisused, misuse: `--execute takes a prompt: cdx --execute "PROMPT" [ARGUMENTS of codex exec]`}
	}
	exec := append([]string{"exec", "--skip-git-repo-check"}, args[1:]...)
	// Behind -- a prompt may begin with a dash, and no option takes it for its value.
	c := codexCall(append(exec, "--", args[0]))
	c.literal = true
	return c
}
