package dashboard

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/door"
	"github.com/cdxgate/cdxgate/internal/ratelimit"
	"github.com/cdxgate/cdxgate/templates"
)

// guard lets somebody who is yet to be identified near a login page: on listeners that accept sessions, elsewhere there is
// none; where nobody on the way sees the link; and not after too many guesses.
func (s *Surface) guard(r *call.Request) error {
	if !door.Accepts(r.Context(), access.Session) {
		return call.ErrNoRoute
	}
	if !door.Confidential(r.Request) {
		return door.ErrPlaintext
	}
	return s.cfg.Limits.Blocked(r.Context(), ratelimit.AdminFail, r.From)
}

// showLink shows what a link is for and a button that uses it. Whoever previews the link changes nothing.
func (s *Surface) showLink(w http.ResponseWriter, r *call.Request) error {
	if err := s.guard(r); err != nil {
		return err
	}
	link, err := s.cfg.Access.LookUpLink(r.Context(), r.Param)
	if err != nil {
		return s.missed(r, err)
	}
	text := fmt.Sprintf("As %s, by a link that %s made on the console. It works once, until %s.", link.Role, link.CreatedBy, templates.Exact(link.ExpiresAt))
	return write(w, r, 0, templates.Bare(s.bareShell(r, "Log in"), templates.Login(text)))
}

// useLink spends a link and hands the browser a session. It takes no body, and no browser's word but that the button of
// our own page was pressed: nobody is to be logged in by another site.
func (s *Surface) useLink(w http.ResponseWriter, r *call.Request) error {
	if err := s.guard(r); err != nil {
		return err
	}
	if !s.cfg.Door.FromOwnPage(r.Request) {
		return door.ErrCrossOrigin
	}
	cookie, session, err := s.cfg.Access.UseLink(r.Context(), r.Param, r.From)
	if err != nil {
		return s.missed(r, err)
	}
	http.SetCookie(w, cookieOf(door.CookieName, cookie.Reveal(), time.Until(session.ExpiresAt)))
	http.Redirect(w, r.Request, home, http.StatusSeeOther)
	return nil
}

// missed counts a link that never was as a guess; one that was used or has expired is none.
func (s *Surface) missed(r *call.Request, err error) error {
	if !errors.Is(err, access.ErrLinkUnknown) {
		return err
	}
	return s.cfg.Limits.Failure(r.Context(), ratelimit.AdminFail, r.From, access.ErrLinkUnknown)
}

// loggedIn sends whoever is logged in to the first page, and tells everybody else how to.
func (s *Surface) loggedIn(w http.ResponseWriter, r *call.Request) error {
	if err := s.guard(r); err != nil {
		return err
	}
	if _, err := s.cfg.Door.AdmitBrowser(r, access.Self); err != nil {
		return err
	}
	http.Redirect(w, r.Request, home, http.StatusSeeOther)
	return nil
}

// logOut ends the session of this visit, here and in the database: its cookie opens nothing any more.
func (s *Surface) logOut(v *visit) (outcome, error) {
	if v.By != access.Session {
		return done{To: home, Say: "You came with a certificate", More: "There is no session to end. Close the browser, or revoke the certificate."}, nil
	}
	cookie, err := v.Cookie(door.CookieName)
	if err != nil {
		return nil, access.ErrSession
	}
	return loggedOut{}, s.cfg.Access.EndSession(v.Context(), cookie.Value, v.Actor)
}

// loggedOut is the end of a session: the browser forgets the cookie and is told how to come back.
type loggedOut struct{}

func (loggedOut) answer(_ *Surface, w http.ResponseWriter, v *visit) error {
	http.SetCookie(w, cookieOf(door.CookieName, "", -time.Second))
	http.Redirect(w, v.Request.Request, api.PathLogin, http.StatusSeeOther)
	return nil
}
