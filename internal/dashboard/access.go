package dashboard

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/adminca"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/templates"
)

// Addresses of who may come in.
const (
	pathAccess     = "/dashboard/access"
	pathRevokeCert = pathAccess + "/certificates/revoke"
	pathTokens     = pathAccess + "/tokens"
	pathNewToken   = pathTokens + "/new"
	pathRevokeTok  = pathTokens + "/revoke"
	pathRevokeSess = pathAccess + "/sessions/revoke"
	pathRevokeLink = pathAccess + "/links/revoke"
)

// accessFacts is what the page of ways in is made of.
type accessFacts struct {
	visit    *visit
	query    string // of names
	all      bool   // also what opens nothing any more
	certs    []certFacts
	tokens   []db.AdminTokenListRow
	sessions []db.AdminSessionListRow
	links    []db.AdminLinkListRow
}

// handleAccess adds who may come in, and by what.
func (s *Surface) handleAccess() {
	s.page(pathAccess, access.AdminRead, s.access)
	s.page(pathRevokeCert, access.AdminWrite, s.askRevokeCert)
	s.form(pathRevokeCert, access.AdminWrite, s.revokeCert)
	s.page(pathNewToken, access.AdminWrite, func(v *visit) (page, error) { return s.newToken(v, newTokenForm{life: defaultLife}, nil), nil })
	s.form(pathTokens, access.AdminWrite, s.makeToken)
	s.page(pathRevokeTok, access.AdminWrite, s.askRevokeToken)
	s.form(pathRevokeTok, access.AdminWrite, s.revokeToken)
	s.form(pathRevokeSess, access.AdminWrite, s.revokeSession)
	s.form(pathRevokeLink, access.AdminWrite, s.revokeLink)
}

// access shows every way in: certificates, API tokens, sessions, login links.
func (s *Surface) access(v *visit) (page, error) {
	q := &addressQuery{v: v}
	f, err := &accessFacts{visit: v, query: q.text("q"), all: v.query("show") == showAll}, q.err
	if err != nil {
		return page{}, err
	}
	if f.certs, err = s.certs(v); err != nil {
		return page{}, err
	}
	if f.tokens, err = s.cfg.Access.ListTokens(v.Context()); err != nil {
		return page{}, err
	}
	if f.sessions, err = s.cfg.Access.ListSessions(v.Context()); err != nil {
		return page{}, err
	}
	if f.links, err = s.cfg.Access.ListLinks(v.Context()); err != nil {
		return page{}, err
	}
	return page{Title: "Access", Path: pathAccess, Body: templates.Access(accessPage(f))}, nil
}

// certFacts is a certificate and what it is now.
type certFacts struct {
	db.AdminCert
	state string
	ends  templates.Moment
}

// opens reports whether the certificate lets anybody in, or would if its authority were back.
func (c *certFacts) opens() bool {
	return c.state != adminca.StateExpired && c.state != adminca.StateRevoked
}

func (s *Surface) certs(v *visit) ([]certFacts, error) {
	rows, err := s.cfg.Certs.List(v.Context())
	if err != nil {
		return nil, err
	}
	certs := make([]certFacts, 0, len(rows))
	for _, row := range rows {
		state, until := s.cfg.Certs.State(row)
		certs = append(certs, certFacts{row, state, templates.Moment{At: until, Now: v.now}})
	}
	return certs, nil
}

// askRevokeCert asks whether a certificate is to open nothing any more.
func (s *Surface) askRevokeCert(v *visit) (page, error) {
	certs, err := s.certs(v)
	if err != nil {
		return page{}, err
	}
	i := slices.IndexFunc(certs, func(c certFacts) bool { return c.opens() && c.Name == v.query("name") && c.Serial == v.query("serial") })
	if i < 0 {
		return page{}, adminca.ErrUnknown
	}
	return questionAbout("Revoke certificate", certQuestion(v, certs, i)), nil
}

// questionAbout is a page that asks before something of the page of ways in.
func questionAbout(title string, question templates.Confirm) page {
	return page{
		Title: title, Path: pathAccess, Crumbs: []templates.Crumb{{Label: "Access", Path: pathAccess}}, Body: templates.Question(title, question),
	}
}

func certQuestion(v *visit, certs []certFacts, which int) templates.Confirm {
	cert := &certs[which]
	sameName, owners := 0, 0
	for i := range certs {
		if i == which || !certs[i].opens() {
			continue
		}
		if certs[i].Name == cert.Name {
			sameName++
		}
		if certs[i].Role == string(access.Owner) && certs[i].state != adminca.StateNoAuthority {
			owners++
		}
	}
	effects := []string{"Whoever shows it is refused from the next request on, on connections that are open, too: " + cert.Role + " " + cert.Name + ", serial " + cert.Serial + "."}
	if isOwnCert(v, cert) {
		effects = append(effects, "You came as "+cert.Name+". If it is this one, the next page is refused to you.")
	}
	if cert.Role == string(access.Owner) && owners == 0 {
		effects = append(effects, "No other owner's certificate opens the door. Another one is made on the console alone: cdxgate admin cert add NAME --role owner.")
	}
	return templates.Confirm{
		ID: "revoke", Title: "Revoke the certificate of " + cert.Name + "?", Type: cert.Name, Effects: effects,
		Note: "Of this name " + templates.Count(int64(sameName), "other certificate goes", "other certificates go") + " on.",
		Keep: templates.Action{Label: "Keep it", Href: pathAccess},
		Do: templates.Action{
			Label: "Revoke certificate", Icon: "bad", Kind: templates.DangerNow, Post: pathRevokeCert,
			Fields: []templates.Field{{Name: "name", Value: cert.Name}, {Name: "serial", Value: cert.Serial}},
		},
	}
}

func isOwnCert(v *visit, cert *certFacts) bool {
	return v.By == access.Certificate && v.Name == cert.Name
}

func (s *Surface) revokeCert(v *visit) (outcome, error) {
	name, serial := v.post("name"), v.post("serial")
	if serial == "" { // which would be all of the name, and nobody was asked that
		return nil, errs.Field("serial", "serial is required")
	}
	if err := v.confirmed(name); err != nil {
		return nil, err
	}
	if _, err := s.cfg.Certs.Revoke(v.Context(), name, serial, v.Actor); err != nil {
		return nil, err
	}
	return done{To: pathAccess, Say: "A certificate of " + name + " is revoked"}, nil
}

// askRevokeToken asks whether an API token is to open nothing any more.
func (s *Surface) askRevokeToken(v *visit) (page, error) {
	tokens, err := s.cfg.Access.ListTokens(v.Context())
	if err != nil {
		return page{}, err
	}
	i := slices.IndexFunc(tokens, func(t db.AdminTokenListRow) bool { return t.RevokedAt == nil && t.Name == v.query("name") })
	if i < 0 {
		return page{}, access.ErrTokenUnknown
	}
	return questionAbout("Revoke API token", tokenQuestion(v, &tokens[i])), nil
}

func tokenQuestion(v *visit, token *db.AdminTokenListRow) templates.Confirm {
	used := "Nobody has used it yet."
	if token.LastUsedAt != nil {
		used = "It was last used " + templates.Relative(*token.LastUsedAt, v.now) + "."
	}
	return templates.Confirm{
		ID: "revoke", Title: "Revoke the API token " + token.Name + "?", Type: token.Name,
		Effects: []string{"Scripts that show it are refused from the next request on. " + used},
		Note:    "It never comes back. A new one can have the same name.",
		Keep:    templates.Action{Label: "Keep it", Href: pathAccess},
		Do: templates.Action{
			Label: "Revoke API token", Icon: "bad", Kind: templates.DangerNow, Post: pathRevokeTok, Fields: []templates.Field{{Name: "name", Value: token.Name}},
		},
	}
}

func (s *Surface) revokeToken(v *visit) (outcome, error) {
	name := v.post("name")
	if err := v.confirmed(name); err != nil {
		return nil, err
	}
	if err := s.cfg.Access.RevokeToken(v.Context(), name, v.Actor); err != nil {
		return nil, err
	}
	return done{To: pathAccess + "#tokens", Say: "The API token " + name + " is revoked"}, nil
}

// revokeSession ends a session. Another link makes another one: nothing has to be typed.
func (s *Surface) revokeSession(v *visit) (outcome, error) {
	id, err := number(v, "id", access.ErrSessionUnknown)
	if err != nil {
		return nil, err
	}
	if err := s.cfg.Access.RevokeSession(v.Context(), id, v.Actor); err != nil {
		return nil, err
	}
	return done{To: pathAccess + "#sessions", Say: fmt.Sprintf("Session %d is over", id)}, nil
}

func (s *Surface) revokeLink(v *visit) (outcome, error) {
	id, err := number(v, "id", access.ErrLinkGone)
	if err != nil {
		return nil, err
	}
	if err := s.cfg.Access.RevokeLink(v.Context(), id, v.Actor); err != nil {
		return nil, err
	}
	return done{To: pathAccess + "#sessions", Say: fmt.Sprintf("Login link %d opens nothing any more", id)}, nil
}

// number reads the number that a form names something by; unknown is what there is not.
func number(v *visit, name string, unknown error) (int64, error) {
	id, err := strconv.ParseInt(v.post(name), 10, 64)
	if err != nil {
		return 0, unknown
	}
	return id, nil
}

// showAll is the parameter show of the page with what opens nothing any more.
const showAll = "all"

// accessAddress is the page with what is searched for and what is shown; "": what is in use.
func accessAddress(query, show string) string {
	values := url.Values{}
	if query != "" {
		values.Set("q", query)
	}
	if show != "" {
		values.Set("show", show)
	}
	return strings.TrimSuffix(pathAccess+"?"+values.Encode(), "?")
}
