package dashboard

import (
	"net/http"
	"strings"
)

// What every file that a page hands out has in common.

const kindCSV = "text/csv; charset=utf-8"

// attach says that what follows is a file to be kept.
func attach(w http.ResponseWriter, kind, name string) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
}

// breakOff ends a file that has begun to be sent and cannot be completed, so that half of it is not taken for all: it can only be
// cut off. It does not return.
func (s *Surface) breakOff(v *visit, of string, err error) {
	s.cfg.Logger.ErrorContext(v.Context(), "an export broke off", "of", of, "request_id", v.ID, "error", err)
	panic(http.ErrAbortHandler)
}

// formulas are what a formula begins with, in one spreadsheet or another.
const formulas = "=+-@|%＝＋－＠"

// harmless keeps a program that opens the file from taking a text for a formula: what begins like one is given an apostrophe, which
// such programs do not show. Where numbers have decimal commas, spreadsheets split lines at semicolons, whatever quotes say: behind
// what ends a cell or a line there, a text begins anew.
func harmless(text string) string {
	var safe strings.Builder
	if strings.HasPrefix(text, "\t") || strings.HasPrefix(text, "\r") || strings.HasPrefix(text, "\n") {
		safe.WriteByte('\'')
	}
	copied, begins := 0, true
	for i, r := range text {
		switch {
		case begins && strings.ContainsRune(formulas, r):
			safe.WriteString(text[copied:i] + "'")
			copied, begins = i, false
		case strings.ContainsRune(";\t\r\n", r):
			begins = true
		case r != ' ' && r != '"' || i == 0:
			begins = false
		}
	}
	safe.WriteString(text[copied:])
	return safe.String()
}
