package dashboard

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/door"
	"github.com/cdxgate/cdxgate/templates"
)

// Cookies that are no secrets: how bright pages are, and what an act has come to, for the page after it. Like the session's
// they exist on connections that nobody else can write to only.
const (
	themeCookie = "__Host-cdxgate-theme"
	saidCookie  = "__Host-cdxgate-said"
)

const (
	themeFor = 365 * 24 * time.Hour
	saidFor  = time.Minute
)

// themeOf is how bright the browser's pages are.
func themeOf(r *http.Request) templates.Theme {
	cookie, err := r.Cookie(themeCookie)
	if err != nil {
		return templates.System
	}
	switch theme := templates.Theme(cookie.Value); theme {
	case templates.Light, templates.Dark:
		return theme
	}
	return templates.System
}

// setTheme remembers how bright pages are to be, and goes back to where the form stood.
func (s *Surface) setTheme(w http.ResponseWriter, r *call.Request) error {
	if !s.cfg.Door.FromOwnPage(r.Request) {
		return door.ErrCrossOrigin
	}
	form, _ := url.ParseQuery(string(r.Body)) // whatever can be read: every other word is the system's theme
	value, age := "", -time.Second
	switch theme := templates.Theme(form.Get("theme")); theme {
	case templates.Light, templates.Dark:
		value, age = string(theme), themeFor
	}
	http.SetCookie(w, cookieOf(themeCookie, value, age))
	http.Redirect(w, r.Request, cameFrom(r.Request), http.StatusSeeOther)
	return nil
}

// cameFrom is the page of ours that a form stood on, as the browser says; otherwise the first one.
func cameFrom(r *http.Request) string {
	from, err := url.Parse(r.Header.Get("Referer"))
	if err != nil || from.Host != r.Host || !strings.HasPrefix(from.EscapedPath(), "/dashboard") {
		return home
	}
	return from.RequestURI()
}

// remember has the next page say something.
func remember(w http.ResponseWriter, toast templates.Toast) {
	text, err := json.Marshal(toast)
	if err != nil {
		return // texts always encode
	}
	http.SetCookie(w, cookieOf(saidCookie, base64.RawURLEncoding.EncodeToString(text), saidFor))
}

// recall is what the page before wanted to be said, once.
func recall(w http.ResponseWriter, r *http.Request) []templates.Toast {
	cookie, err := r.Cookie(saidCookie)
	if err != nil {
		return nil
	}
	http.SetCookie(w, cookieOf(saidCookie, "", -time.Second))
	var toast templates.Toast
	text, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	if err != nil || json.Unmarshal(text, &toast) != nil || toast.Text == "" {
		return nil
	}
	switch toast.Tone {
	case templates.OK, templates.Bad, templates.Info:
		return []templates.Toast{toast}
	}
	return nil
}

func cookieOf(name, value string, age time.Duration) *http.Cookie {
	return &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: int(age.Seconds()), Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	}
}
