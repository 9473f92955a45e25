package dashboard

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/door"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/templates"
)

// home is the first page.
const home = "/dashboard/"

// headers are what every answer of the surface has. Pages load and run what is ours alone, are framed by nobody, and are
// what their type says.
func headers() http.Header {
	return http.Header{
		"Content-Security-Policy": {"default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
			"object-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"},
		"Cross-Origin-Opener-Policy":   {"same-origin"},
		"Cross-Origin-Resource-Policy": {"same-origin"},
		"Referrer-Policy":              {"same-origin"},
		"X-Content-Type-Options":       {"nosniff"},
		"X-Frame-Options":              {"DENY"},
	}
}

// visit is a request of somebody who was let in.
type visit struct {
	*call.Request
	door.Visitor
	now time.Time // of the whole page, UTC

	form url.Values // of post; nil: not read yet
}

type visitKey struct{}

// enter makes a visit of a request, and has it found by whoever words its refusal.
func (s *Surface) enter(r *call.Request, who door.Visitor) *visit {
	v := &visit{Request: r, Visitor: who, now: s.cfg.Now().UTC()}
	r.Request = r.WithContext(context.WithValue(r.Context(), visitKey{}, v))
	return v
}

// visitOf returns the visit that a request is; nil: nobody was identified.
func visitOf(r *call.Request) *visit {
	v, _ := r.Context().Value(visitKey{}).(*visit)
	return v
}

// post returns a value that a form posted, without blanks around it; "": there is none.
func (v *visit) post(name string) string { return strings.TrimSpace(v.posted().Get(name)) }

// posted returns everything that a form posted but for files, in whichever way it did: what can be read of it. A form of long texts
// wants multipart/form-data, in which they are as long as they are.
func (v *visit) posted() url.Values {
	if v.form != nil {
		return v.form
	}
	kind, params, _ := mime.ParseMediaType(v.Header.Get("Content-Type"))
	if kind != "multipart/form-data" {
		v.form, _ = url.ParseQuery(string(v.Body))
		return v.form
	}
	v.form = url.Values{}
	parts := multipart.NewReader(bytes.NewReader(v.Body), params["boundary"])
	for {
		part, err := parts.NextPart()
		if err != nil {
			return v.form
		}
		if text, err := io.ReadAll(part); err == nil && part.FileName() == "" { // at most a body
			v.form.Add(part.FormName(), string(text))
		}
	}
}

// query returns a parameter of the address, without blanks around it; "": there is none.
func (v *visit) query(name string) string { return strings.TrimSpace(v.URL.Query().Get(name)) }

// errNotConfirmed is a typed confirmation that is missing or another one.
var errNotConfirmed = errs.New(errs.Invalid, "not_confirmed", "nothing was done: what was typed is not what was asked for")

// confirmed checks what was typed to confirm: see [templates.Confirm]. The button that waits for it is a courtesy; this counts.
func (v *visit) confirmed(want string) error {
	if v.post("confirm") != want {
		return errNotConfirmed.With("type", want)
	}
	return nil
}

// unless says why the visitor's role may not do something, for [templates.Action] and others; "": it may.
func (v *visit) unless(needs access.Capability) string {
	if v.May(needs) {
		return ""
	}
	for _, role := range access.Roles {
		if role.May(needs) && !v.Role.May(needs) {
			return "Your role is " + string(v.Role) + "; this takes " + article(role) + "."
		}
	}
	return "You may not do this."
}

func article(role access.Role) string {
	if role == access.Viewer {
		return "a " + string(role)
	}
	return "an " + string(role)
}

// wants reports whether a part of the page, by its element's id, is asked for: all are, unless a script asks for one. What
// costs much and is in one part only need not be loaded for the others.
func (v *visit) wants(part string) bool {
	return !byHTMX(v.Request.Request) || v.Header.Get("Hx-Target") == part
}

// byHTMX reports whether a script of the page asks for a part of it.
func byHTMX(r *http.Request) bool { return r.Header.Get("Hx-Request") == "true" }

// page is what a page shows.
type page struct {
	Title  string // also the last crumb
	Path   string // the menu's entry that it belongs to; "": none
	Crumbs []templates.Crumb
	Body   templ.Component

	// Parts are what htmx may ask for alone, by the id of the element that is to be replaced (hx-target). A request for
	// another element gets the whole body.
	Parts  map[string]templ.Component
	GoTo   string // where the browser is sent instead; "": the page is shown
	Status int    // 0: 200; 422: a form was shown again with what is wrong
}

// outcome is what a form comes to: a page, or done.
type outcome interface {
	answer(s *Surface, w http.ResponseWriter, v *visit) error
}

func (p page) answer(s *Surface, w http.ResponseWriter, v *visit) error { return s.show(w, v, p) }

// done sends the browser on to a page after an act, which says there what has become of it. To a script of the page it is the
// same: htmx follows, and replaces what it asked to.
type done struct {
	To   string         // an address of ours
	Say  string         // "": nothing
	More string         // a smaller line
	Tone templates.Tone // the zero value: it went well
}

func (d done) answer(_ *Surface, w http.ResponseWriter, v *visit) error {
	if d.Say != "" {
		remember(w, templates.Toast{Tone: cmp.Or(d.Tone, templates.OK), Text: d.Say, More: d.More})
	}
	http.Redirect(w, v.Request.Request, d.To, http.StatusSeeOther)
	return nil
}

// show writes a page, or for htmx the part of it that it wants.
func (s *Surface) show(w http.ResponseWriter, v *visit, p page) error {
	if p.GoTo != "" {
		http.Redirect(w, v.Request.Request, p.GoTo, http.StatusSeeOther)
		return nil
	}
	said := recall(w, v.Request.Request)
	if byHTMX(v.Request.Request) {
		w.Header().Set("Vary", "HX-Request, HX-Target")
		part := p.Parts[v.Header.Get("Hx-Target")]
		if part == nil {
			part = p.Body
		}
		return write(w, v.Request, p.Status, templates.Fragment(part, said))
	}
	shell := s.shell(v)
	shell.Title, shell.Path, shell.Crumbs, shell.Toasts = p.Title, p.Path, p.Crumbs, said
	return write(w, v.Request, p.Status, templates.Layout(shell, p.Body))
}

// write answers HTML, whole or not at all.
func write(w http.ResponseWriter, r *call.Request, status int, component templ.Component) error {
	var body strings.Builder
	if err := templates.Render(r.Context(), &body, component); err != nil {
		return err
	}
	w.Header()["Content-Type"] = []string{"text/html; charset=utf-8"}
	if status != 0 {
		w.WriteHeader(status)
	}
	_, _ = w.Write([]byte(body.String())) // the browser is gone: nobody to tell
	return nil
}
