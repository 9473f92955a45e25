package cdx

import (
	"fmt"
	"strings"
)

// shells are those that cdx completion has a script for.
var shells = []string{"bash", "zsh", "fish", "powershell"}

// completion is the script that makes a shell complete cdx. Whatever is not ours is left to Codex's own completion, if
// the shell has it.
func completion(shell string) string {
	script := map[string]string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion, "powershell": powershellCompletion}[shell]
	return strings.NewReplacer(
		"@WORDS@", strings.Join(completionWords(), " "),
		"@SHELLS@", strings.Join(shells, " "), "@COLOURS@", strings.Join(colours, " "), "@OUTPUTS@", strings.Join(outputs, " "),
		"@ZSH@", zshDescriptions(), "@FISH@", fishDescriptions(),
		"@QUOTED@", "'"+strings.Join(completionWords(), "', '")+"'",
	).Replace(script)
}

// completionWords are our first words: verbs, and the options that stand before everything.
func completionWords() []string {
	var words []string
	for _, d := range append(append([]described{}, verbs...), leading...) {
		words = append(words, d.name)
	}
	return words
}

const bashCompletion = `# bash completion of cdx: source <(cdx completion bash)
_cdx_offer() { # WORDS CURRENT
	local word
	while read -r word; do COMPREPLY+=("$word"); done < <(compgen -W "$1" -- "$2")
}
_cdx() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} first=1
	COMPREPLY=()
	while ((first < COMP_CWORD)); do
		case ${COMP_WORDS[first]} in
		--silent | --debug | --verbose) ((first += 1)) ;;
		--color) ((first += 2)) ;;
		*) break ;;
		esac
	done
	if ((first > COMP_CWORD)); then
		_cdx_offer '@COLOURS@' "$cur"
		return
	fi
	if ((first < COMP_CWORD)); then
		case ${COMP_WORDS[first]} in
		status | doctor)
			case $prev in
			-o | --output) _cdx_offer '@OUTPUTS@' "$cur" ;;
			--color) _cdx_offer '@COLOURS@' "$cur" ;;
			*) _cdx_offer '-o --output --color' "$cur" ;;
			esac
			return
			;;
		completion)
			_cdx_offer '@SHELLS@' "$cur"
			return
			;;
		esac
	fi
	if declare -F _codex >/dev/null; then
		_codex "$1" "$cur" "$prev"
	fi
	if ((first == COMP_CWORD)); then
		_cdx_offer '@WORDS@' "$cur"
	fi
}
complete -o default -F _cdx cdx
`

const zshCompletion = `#compdef cdx
# zsh completion of cdx: source <(cdx completion zsh), or this as the file _cdx in a directory of fpath
_cdx() {
	local -a ours
	local first=2
	ours=(
@ZSH@	)
	while ((first < CURRENT)); do
		case ${words[first]} in
		--silent | --debug | --verbose) ((first += 1)) ;;
		--color) ((first += 2)) ;;
		*) break ;;
		esac
	done
	if ((first > CURRENT)); then
		compadd @COLOURS@
		return
	fi
	if ((first < CURRENT)); then
		case ${words[first]} in
		status | doctor)
			case ${words[CURRENT-1]} in
			-o | --output) compadd @OUTPUTS@ ;;
			--color) compadd @COLOURS@ ;;
			*) compadd -- -o --output --color ;;
			esac
			return
			;;
		completion) compadd @SHELLS@; return ;;
		esac
	fi
	((first == CURRENT)) && _describe 'cdx' ours
	((${+functions[_codex]})) && _codex "$@"
	return 0
}
compdef _cdx cdx
`

const fishCompletion = `# fish completion of cdx: cdx completion fish | source
complete -c cdx -w codex
@FISH@complete -c cdx -n '__fish_seen_subcommand_from status doctor' -s o -l output -x -a '@OUTPUTS@' -d 'form of the report'
complete -c cdx -n '__fish_seen_subcommand_from completion' -x -a '@SHELLS@'
complete -c cdx -n '__fish_is_first_token' -l color -x -a '@COLOURS@' -d 'colours of what cdx prints'
`

const powershellCompletion = `# PowerShell completion of cdx: cdx completion powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName 'cdx' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = @($commandAst.CommandElements | Where-Object { $_.Extent.EndOffset -lt $cursorPosition } | ForEach-Object { $_.ToString() })
    $first = if ($words.Count -gt 1) { $words[1] } else { '' }
    $offered = switch -Regex ("$first $($words[-1])") {
        ' --color$' { '@COLOURS@' -split ' '; break }
        '^(status|doctor) (-o|--output)$' { '@OUTPUTS@' -split ' '; break }
        '^(status|doctor) ' { '-o', '--output', '--color'; break }
        '^completion ' { '@SHELLS@' -split ' '; break }
        '^ ' { @QUOTED@; break }
    }
    $offered | Where-Object { $_ -like "$wordToComplete*" } | ForEach-Object {
        [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
    }
}
`

// zshDescriptions are our first words for _describe, which splits at colons.
func zshDescriptions() string {
	var b strings.Builder
	for _, d := range append(append([]described{}, verbs...), leading...) {
		fmt.Fprintf(&b, "\t\t'%s:%s'\n", d.name, quoteless(strings.ReplaceAll(d.meaning, ":", `\:`)))
	}
	return b.String()
}

// fishDescriptions offer our first words.
func fishDescriptions() string {
	var b strings.Builder
	for _, d := range verbs {
		fmt.Fprintf(&b, "complete -c cdx -n '__fish_is_first_token' -f -a '%s' -d '%s'\n", d.name, quoteless(d.meaning))
	}
	for _, d := range leading {
		if d.args == "" || d.name == "--execute" {
			fmt.Fprintf(&b, "complete -c cdx -n '__fish_is_first_token' -l '%s' -d '%s'\n", strings.TrimPrefix(d.name, "--"), quoteless(d.meaning))
		}
	}
	return b.String()
}

// quoteless is text for between single quotes, which no shell can have in there in the same way.
func quoteless(text string) string { return strings.ReplaceAll(text, "'", "’") }
