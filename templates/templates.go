// Package templates is how the dashboard looks: templ components, one function for each page and each part that pages share,
// and the files that browsers load. It imports nothing of ours and asks nobody anything: a page is a struct of texts,
// numbers and times that internal/dashboard has made ready, and a component that shows it.
//
// Files: layout.templ is what surrounds a page; ui_*.templ are parts (buttons, tables, dialogs, charts); every other
// *.templ is a page with its structs in the .go file of the same name. *_templ.go is generated: make generate.
//
// No component writes an inline style or script: the pages' Content-Security-Policy would not run them. Whatever a host
// can set is text to templ, which escapes it; templ.Raw is for our own constants only.
package templates

import (
	"context"
	"io"

	"github.com/a-h/templ"
)

// Render writes a component as a whole or not at all.
func Render(ctx context.Context, w io.Writer, component templ.Component) error {
	buffer := templ.GetBuffer()
	defer templ.ReleaseBuffer(buffer)
	if err := component.Render(ctx, buffer); err != nil {
		return err
	}
	_, err := buffer.WriteTo(w)
	return err
}
