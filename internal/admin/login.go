package admin

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"html/template"
	"net/http"
	"time"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/ratelimit"
)

// CookieName is the session's cookie. Its prefix makes browsers take it over TLS only, from this very host, for all paths.
const CookieName = "__Host-cdxgate"

// page adds a route that answers HTML, refusals too, on listeners that accept sessions; elsewhere there is none.
func (s *Surface) page(method, path string, serve func(http.ResponseWriter, *call.Request) (loginPage, error)) {
	s.needs[method+" "+path] = openToAll
	s.Handle(method, path, func(w http.ResponseWriter, r *call.Request) (any, error) {
		if !accepts(r.Context(), access.Session) {
			return nil, call.ErrNoRoute
		}
		page, err := s.guardPage(w, r, serve)
		if err != nil {
			return nil, err
		}
		if page.Redirect != "" {
			http.Redirect(w, r.Request, page.Redirect, http.StatusSeeOther)
			return nil, nil
		}
		page.write(w)
		return nil, nil
	})
}

// guardPage serves a page; a refusal becomes one that says so.
func (s *Surface) guardPage(w http.ResponseWriter, r *call.Request, serve func(http.ResponseWriter, *call.Request) (loginPage, error)) (loginPage, error) {
	page, err := loginPage{}, error(ErrPlaintext)
	if confidential(r.Request) {
		page, err = serve(w, r)
	}
	refusal := errs.Of(err)
	if refusal == nil || refusal.Kind == errs.Internal || refusal.Kind == errs.Unavailable {
		return page, err // what failed is logged and worded as for every other call
	}
	return loginPage{Status: call.Status(refusal.Kind), Title: "Not logged in", Text: refusal.Message + "."}, nil
}

// showLink shows what a link is for and a button that uses it. Whoever previews the link changes nothing.
func (s *Surface) showLink(_ http.ResponseWriter, r *call.Request) (loginPage, error) {
	if err := s.cfg.Limits.Blocked(r.Context(), ratelimit.AdminFail, r.From); err != nil {
		return loginPage{}, err
	}
	link, err := s.cfg.Access.LookUpLink(r.Context(), r.Param)
	if err != nil {
		return loginPage{}, s.missed(r, err)
	}
	return loginPage{
		Title: "Log in to cdxgate", Button: "Log in",
		Text: "As " + string(link.Role) + ", by a link that " + link.CreatedBy + " made on the console. It works once, until " + clock(link.ExpiresAt) + ".",
	}, nil
}

// useLink spends a link and hands the browser a session. It takes no body, and no browser's word but that the button of
// our own page was pressed: nobody is to be logged in by another site.
func (s *Surface) useLink(w http.ResponseWriter, r *call.Request) (loginPage, error) {
	if err := s.cfg.Limits.Blocked(r.Context(), ratelimit.AdminFail, r.From); err != nil {
		return loginPage{}, err
	}
	if s.origin.Check(r.Request) != nil || !fromItself(r.Request) {
		return loginPage{}, ErrCrossOrigin
	}
	cookie, session, err := s.cfg.Access.UseLink(r.Context(), r.Param, r.From)
	if err != nil {
		return loginPage{}, s.missed(r, err)
	}
	http.SetCookie(w, &http.Cookie{
		Name: CookieName, Value: cookie.Reveal(), Path: "/", MaxAge: int(time.Until(session.ExpiresAt).Seconds()),
		Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
	return loginPage{Redirect: api.PathLogin}, nil
}

// missed counts a link that never was as a guess; one that was used or has expired is none.
func (s *Surface) missed(r *call.Request, err error) error {
	if !errors.Is(err, access.ErrLinkUnknown) {
		return err
	}
	return s.cfg.Limits.Failure(r.Context(), ratelimit.AdminFail, r.From, access.ErrLinkUnknown)
}

// loggedIn says who is logged in and until when.
func (s *Surface) loggedIn(_ http.ResponseWriter, r *call.Request) (loginPage, error) {
	v, err := s.admit(r, access.Self)
	if err != nil {
		return loginPage{}, err
	}
	return loginPage{
		Title: "Logged in to cdxgate",
		Text:  "You are logged in as " + string(v.Role) + ", " + v.Name + ", until " + clock(v.ExpiresAt) + ". The API is under /admin/.",
	}, nil
}

func clock(t time.Time) string { return t.UTC().Format("2 January 2006 15:04 UTC") }

// loginPage is a page without scripts: a sentence and perhaps a button that posts to the very address of the page.
type loginPage struct {
	Status   int // 0: 200
	Title    string
	Text     string
	Button   string // empty: none
	Redirect string // answer a redirect there instead
}

const loginStyle = `:root{color-scheme:light dark}
body{font:400 .9375rem/1.5 system-ui,sans-serif;max-width:28rem;margin:15vh auto;padding:0 1.5rem;background:light-dark(oklch(.981 .003 320),oklch(.172 .009 312));color:light-dark(oklch(.232 .02 312),oklch(.948 .005 320))}
h1{font-size:1.25rem;margin:0}
button{font:inherit;font-weight:500;padding:.45rem 1.25rem;border:0;border-radius:8px;background:light-dark(oklch(.505 .185 338),oklch(.775 .128 338));color:light-dark(#fff,oklch(.172 .009 312))}`

var loginTemplate = template.Must(template.New("login").Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{{.Title}}</title>
<style>` + loginStyle + `</style>
<h1>{{.Title}}</h1>
<p>{{.Text}}</p>
{{if .Button}}<form method="post"><button>{{.Button}}</button></form>
{{end}}</html>
`))

// loginPolicy allows a page its one style, by its hash, and its button.
var loginPolicy = func() string {
	sum := sha256.Sum256([]byte(loginStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}()

func (p loginPage) write(w http.ResponseWriter) {
	var body bytes.Buffer
	if err := loginTemplate.Execute(&body, p); err != nil {
		panic("writing the login page: " + err.Error())
	}
	w.Header().Set("Content-Security-Policy", loginPolicy)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if p.Status != 0 {
		w.WriteHeader(p.Status)
	}
	_, _ = w.Write(body.Bytes()) // the browser is gone: nobody to tell
}
