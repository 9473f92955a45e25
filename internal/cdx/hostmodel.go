package cdx

import (
	"regexp"
	"slices"
	"strings"
)

// modelName is what a model or an effort may be called: nothing that could end a TOML string or begin an option.
var modelName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}$`)

// preferHostModel gives Codex the model and the effort that admins set for this machine, if the user chose neither by
// themselves. An effort that a user typed stays, and a user's model is not combined with an effort meant for another.
func (s *session) preferHostModel(args []string) []string {
	host := s.blocks.host()
	if host == nil {
		return args
	}
	model, effort := choosesModel(args)
	var added []string
	for _, setting := range []struct {
		key    string
		value  *string
		chosen bool
	}{{"model", host.ModelOverride, model}, {"model_reasoning_effort", host.ReasoningEffortOverride, model || effort}} {
		switch {
		case setting.value == nil || *setting.value == "" || setting.chosen:
		case !modelName.MatchString(*setting.value):
			s.notice("gateway", "its "+setting.key+" for this machine is no name, so it is not used: "+field(*setting.value))
		default:
			added = append(added, "-c", setting.key+`="`+*setting.value+`"`)
		}
	}
	return append(added, args...)
}

// choosesModel reports whether a command line of Codex names a model, and whether it names an effort. A profile, another
// provider and a configuration value that sets one of them are choices of both.
func choosesModel(args []string) (model, effort bool) {
	for i := 0; i < len(args) && args[i] != "--"; i++ {
		option, value, joined := splitOption(args[i])
		if !joined && slices.Contains(codexValueOptions, option) {
			i++
			if i < len(args) {
				value = args[i]
			}
		}
		switch option {
		case "-m", "--model", "-p", "--profile", "--oss", "--local-provider":
			model = true
		case "-c", "--config":
			key, _, _ := strings.Cut(value, "=")
			switch strings.TrimSpace(key) {
			case "model", "model_provider", "profile":
				model = true
			case "model_reasoning_effort":
				effort = true
			}
		}
	}
	return model, effort
}

// splitOption takes --name=value and -nvalue apart; joined says that the argument carries the value.
func splitOption(arg string) (option, value string, joined bool) {
	switch {
	case strings.HasPrefix(arg, "--"):
		return strings.Cut(arg, "=")
	case len(arg) > 2 && arg[0] == '-':
		return arg[:2], strings.TrimPrefix(arg[2:], "="), true
	default:
		return arg, "", false
	}
}
