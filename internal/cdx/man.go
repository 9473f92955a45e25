package cdx

import (
	"fmt"
	"strings"
)

// ManPage is cdx.1: the manual page, in the language of man(7), made from the same tables as the help.
func ManPage() string {
	var b strings.Builder
	b.WriteString(`.TH CDX 1 "" "cdx" "User Commands"
.SH NAME
cdx \- run Codex with the login of a fleet
.SH SYNOPSIS
.B cdx
.RI [ OPTIONS ]
.RI [ "ARGUMENTS OF CODEX" ]
.br
.B cdx
.RI [ OPTIONS ]
.B \-\-
.RI [ "ARGUMENTS OF CODEX" ]
`)
	for _, v := range verbs {
		fmt.Fprintf(&b, ".br\n.B cdx %s\n", roff(v.name))
		if v.args != "" {
			fmt.Fprintf(&b, "%s\n", roff(v.args))
		}
	}
	b.WriteString(`.SH DESCRIPTION
.B cdx
asks the gateway of a fleet for the login, starts the Codex CLI once with the arguments, streams and environment that it was
given, and sends the login up if Codex renewed it. Its exit status is Codex's. On a terminal a few lines on standard error say
how things stand; elsewhere nothing is printed while all is well.
.PP
What is not listed here reaches Codex unchanged. A first argument
.B \-\-
is taken away and says that the words behind it are Codex's.
.SH COMMANDS
`)
	paragraphs(&b, verbs)
	b.WriteString(".SH OPTIONS\nThey stand before everything else; behind that they are Codex's.\n")
	paragraphs(&b, leading)
	b.WriteString(".SH ENVIRONMENT\n")
	for _, variable := range environment {
		fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", roff(variable.name), sentence(variable.meaning))
	}
	b.WriteString(".SH EXIT STATUS\nCodex's own, 128 + N if signal N ended it. If Codex was not started:\n")
	for _, row := range exits {
		fmt.Fprintf(&b, ".TP\n.B %d\n%s\n", row.exit, sentence(row.meaning))
	}
	b.WriteString(`.SH FILES
.TP
.I cdx/host.json
in the user's configuration directory: which gateway this machine belongs to, and its API key. Only its owner may read it.
.TP
.I ~/.codex/auth.json
The login.
.TP
.I ~/.codex/.cdx
What cdx remembers between runs.
`)
	return b.String()
}

func paragraphs(b *strings.Builder, words []described) {
	for _, d := range words {
		fmt.Fprintf(b, ".TP\n.B %s\n", strings.TrimSpace(roff(d.name)+" "+roff(d.args)))
		b.WriteString(sentence(d.meaning + d.alias()))
		if d.long != "" {
			b.WriteString(" " + roff(d.long))
		}
		b.WriteByte('\n')
	}
}

// sentence is a meaning from a table with a full stop.
func sentence(meaning string) string { return roff(strings.TrimSuffix(meaning, ".") + ".") }

// roff is text in which nothing is a request or an escape.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		return `\&` + text
	}
	return text
}
