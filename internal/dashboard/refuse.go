package dashboard

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/a-h/templ"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/adminca"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/door"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/templates"
)

// refuse words a refusal as a page, or for htmx as a toast: what happened, what to do next, and the number under which the
// gateway's log has more about it.
func (s *Surface) refuse(w http.ResponseWriter, r *call.Request, status int, e *errs.Error) {
	// The call is over, and with it its context.
	ctx, cancel := call.Bound(r.Context())
	defer cancel()
	r.Request = r.WithContext(ctx)
	page := refusalPage(e, r)
	page.RequestID, page.At = r.ID, s.cfg.Now().UTC()
	if byHTMX(r.Request) {
		toast := templates.Toast{Tone: templates.Bad, Text: page.Title + ".", More: page.Text + " Request " + r.ID}
		s.mustWrite(w, r, status, templates.ToastItem(toast))
		return
	}
	if v := visitOf(r); v != nil {
		shell := s.shell(v)
		shell.Title = page.Title
		s.mustWrite(w, r, status, templates.Layout(shell, templates.Refusal(page)))
		return
	}
	s.mustWrite(w, r, status, templates.Bare(s.bareShell(r, page.Title), templates.Refusal(page)))
}

// bareShell surrounds a page of nobody in particular.
func (s *Surface) bareShell(r *call.Request, title string) templates.Shell {
	return templates.Shell{Title: title, Theme: themeOf(r.Request), Now: s.cfg.Now().UTC()}
}

func (s *Surface) mustWrite(w http.ResponseWriter, r *call.Request, status int, component templ.Component) {
	if err := write(w, r, status, component); err != nil {
		s.cfg.Logger.Error("a refusal cannot be shown", "request_id", r.ID, "error", err)
		http.Error(w, "Request "+r.ID, status)
	}
}

// refusalPage says what a refusal means to somebody before a browser.
func refusalPage(e *errs.Error, r *call.Request) templates.RefusalPage {
	page := templates.RefusalPage{Title: "Not done", Text: sentence(e.Message)}
	retry := templates.Action{Label: "Try again", Icon: "refresh", Href: r.URL.RequestURI()}
	back := templates.Action{Label: "Overview", Href: home}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		retry = templates.Action{}
	}
	switch {
	case e.Code == door.ErrForbiddenRole.Code:
		page.Title, page.Text = "Not allowed", fmt.Sprintf("This takes %v, which the role %v does not have. An owner can do it, or give you another role.", e.Details["capability"], e.Details["role"])
		page.Actions = []templates.Action{back}
	case e.Code == door.ErrCrossOrigin.Code:
		page.Title, page.Text = "Not done", "This came from another site, or from a browser that does not say where it came from. Open the dashboard itself and do it there."
		page.Actions = []templates.Action{back}
	case e.Code == door.ErrNobody.Code, e.Code == access.ErrSession.Code, e.Code == access.ErrSessionOver.Code:
		page.Title, page.Text = "Log in", "Make a login link on the gateway's machine and open it in this browser. It works once."
		if e.Code == access.ErrSessionOver.Code {
			page.Text = "Your session is over. " + page.Text
		}
		page.Command = "cdxgate admin link"
	case e.Code == adminca.ErrNoCertificate.Code:
		page.Title, page.Text = "No certificate", "This site wants a client certificate that the gateway knows. Make one on the gateway's machine, and install it in this browser."
		page.Command = "cdxgate admin cert add NAME"
	case e.Kind == errs.Internal:
		page.Title, page.Text = "Something went wrong", "The gateway could not do this. Its log says why, under the request below."
		page.Actions = []templates.Action{retry, back}
	case e.Kind == errs.Unavailable, e.Kind == errs.Limited:
		page.Title = "Not now"
		page.Actions = []templates.Action{retry}
	case e.Kind == errs.NotFound, e.Kind == errs.Gone:
		page.Title = "Not there"
		page.Actions = []templates.Action{back}
	case e.Kind == errs.Invalid:
		page.Text = sentence(fieldTexts(e))
		page.Actions = []templates.Action{back}
	default:
		page.Actions = []templates.Action{back}
	}
	if visitOf(r) == nil {
		page.Actions = slices.DeleteFunc(page.Actions, func(a templates.Action) bool { return a.Href == home })
	}
	page.Actions = slices.DeleteFunc(page.Actions, func(a templates.Action) bool { return a.Label == "" })
	return page
}

// fieldTexts are what is wrong with each field, or the message where no field is to blame.
func fieldTexts(e *errs.Error) string {
	var all []string
	for _, field := range slices.Sorted(maps.Keys(e.Fields)) {
		all = append(all, e.Fields[field]...)
	}
	if len(all) == 0 {
		return e.Message
	}
	return strings.Join(all, "; ")
}

// sentence begins with a capital letter and ends with a full stop.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	text = strings.ToUpper(text[:1]) + text[1:]
	if !strings.HasSuffix(text, ".") {
		text += "."
	}
	return text
}
