// Package door lets admins in, wherever they come: it finds out who calls, by certificate, session or API token, as the
// listener accepts them, refuses what a browser was tricked into sending, and then what the caller may not do. The JSON
// API and the dashboard ask it about every request; nothing else decides that.
package door

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/adminca"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/ratelimit"
)

// Refusals of the door.
var (
	// ErrNobody is a request that shows nothing which its listener accepts.
	ErrNobody = errs.New(errs.Unauthenticated, "admin_login_required", "this listener wants an API token or a session")
	// ErrPlaintext is a request that would show a token or a cookie to whoever listens.
	ErrPlaintext = errs.New(errs.Forbidden, "admin_tls_required", "tokens and sessions are accepted over TLS, or on the machine itself")
	// ErrForbiddenRole is somebody who was identified and may not do this; Details name the capability and the role.
	ErrForbiddenRole = errs.New(errs.Forbidden, "forbidden_role", "your role does not allow this")
)

type acceptingKey struct{}

// Accepting tells the calls below ctx how callers may be identified on their listener. Who is told nothing accepts
// certificates only.
func Accepting(ctx context.Context, kinds []access.Kind) context.Context {
	return context.WithValue(ctx, acceptingKey{}, kinds)
}

// Accepts reports what Accepting said.
func Accepts(ctx context.Context, kind access.Kind) bool {
	kinds, told := ctx.Value(acceptingKey{}).([]access.Kind)
	if !told {
		return kind == access.Certificate
	}
	return slices.Contains(kinds, kind)
}

// Config is what a door is made of. Every field is needed.
type Config struct {
	Certs  *adminca.Service
	Access *access.Service
	Limits *ratelimit.Service
	Logger *slog.Logger
}

// Door lets admins in. It is safe for concurrent use.
type Door struct {
	cfg    Config
	origin *http.CrossOriginProtection
}

// New makes a door.
func New(cfg Config) *Door { return &Door{cfg: cfg, origin: http.NewCrossOriginProtection()} }

// Visitor is somebody who was identified.
type Visitor struct {
	By access.Kind // how
	audit.Actor
	access.Grant
}

// Admit identifies who makes a call of the API, then refuses what a browser was tricked into sending, since it shows
// certificates and cookies to whoever makes it call, then what he may not do.
func (d *Door) Admit(r *call.Request, needs access.Capability) (Visitor, error) {
	return d.admit(r, needs, d.identify, d.defendCall)
}

// AdmitBrowser is Admit for a page and for what its forms post. An API token is no way in: it belongs to a script. With the
// refusals ErrCrossOrigin, ErrFormWanted and ErrForbiddenRole comes who was refused, so that the page which says so can
// say to whom.
func (d *Door) AdmitBrowser(r *call.Request, needs access.Capability) (Visitor, error) {
	return d.admit(r, needs, d.identifyBrowser, d.defendPage)
}

func (d *Door) admit(
	r *call.Request, needs access.Capability, identify func(*call.Request) (Visitor, error), defend func(*call.Request, access.Kind) error,
) (Visitor, error) {
	v, err := identify(r)
	if err != nil {
		return Visitor{}, err
	}
	if err := defend(r, v.By); err != nil {
		return v, err
	}
	if !v.May(needs) {
		return v, d.Forbid(r, v, needs)
	}
	return v, nil
}

// identify finds out who calls. An API token, which nobody shows by accident, goes before a session, and that before a
// certificate; what is shown and no good is not made up for by something else.
func (d *Door) identify(r *call.Request) (Visitor, error) {
	return d.identifyBy(r, bearers(r.Request))
}

// identifyBrowser is identify as if API tokens did not exist.
func (d *Door) identifyBrowser(r *call.Request) (Visitor, error) { return d.identifyBy(r, nil) }

// Recheck identifies once more whom AdmitBrowser has let in, for what goes on for long: a session may have been revoked since.
func (d *Door) Recheck(r *call.Request) error {
	_, err := d.identifyBrowser(r)
	return err
}

func (d *Door) identifyBy(r *call.Request, tokens []string) (Visitor, error) {
	cookies := r.CookiesNamed(CookieName)
	var kind access.Kind
	switch {
	case len(tokens) > 0 && Accepts(r.Context(), access.Token):
		kind = access.Token
	case len(cookies) > 0 && Accepts(r.Context(), access.Session):
		kind = access.Session
	case !Accepts(r.Context(), access.Certificate):
		return Visitor{}, ErrNobody
	case r.TLS == nil:
		return Visitor{}, adminca.ErrNoCertificate
	default:
		kind = access.Certificate
	}
	if kind != access.Certificate && !Confidential(r.Request) {
		return Visitor{}, ErrPlaintext
	}
	if err := d.cfg.Limits.Blocked(r.Context(), ratelimit.AdminFail, r.From); err != nil {
		return Visitor{}, err
	}
	var v Visitor
	var err error
	switch kind {
	case access.Token:
		v, err = d.byToken(r, tokens)
	case access.Session:
		v, err = d.bySession(r, cookies)
	case access.Certificate:
		v, err = d.byCertificate(r)
	}
	// Who has had a session does not guess: its browser may go on asking with the cookie of a session that is over.
	if refusal := errs.Of(err); refusal != nil && (refusal.Kind == errs.Forbidden || refusal.Kind == errs.Unauthenticated) && refusal.Code != access.ErrSessionOver.Code {
		err = d.cfg.Limits.Failure(r.Context(), ratelimit.AdminFail, r.From, refusal)
	}
	return v, err
}

func (d *Door) byCertificate(r *call.Request) (Visitor, error) {
	identity, err := d.cfg.Certs.Admit(r.Context(), r.TLS.VerifiedChains)
	if err != nil {
		return Visitor{}, err
	}
	grant := access.Grant{Role: access.Role(identity.Role), ExpiresAt: identity.NotAfter}
	return Visitor{access.Certificate, audit.Actor{Kind: audit.KindAdmin, Name: identity.Name, IP: r.From}, grant}, nil
}

func (d *Door) byToken(r *call.Request, presented []string) (Visitor, error) {
	if len(presented) != 1 { // which of them counts is no question to answer by chance
		return Visitor{}, access.ErrToken
	}
	who, err := d.cfg.Access.ByToken(r.Context(), presented[0])
	return Visitor{access.Token, audit.Actor{Kind: audit.KindAdmin, Name: who.Name, IP: r.From}, who.Grant}, err
}

func (d *Door) bySession(r *call.Request, cookies []*http.Cookie) (Visitor, error) {
	if len(cookies) != 1 {
		return Visitor{}, access.ErrSession
	}
	who, err := d.cfg.Access.BySession(r.Context(), cookies[0].Value)
	return Visitor{access.Session, audit.Actor{Kind: audit.KindAdmin, Name: who.Name, IP: r.From}, who.Grant}, err
}

// bearers are what Authorization headers of the scheme Bearer say.
func bearers(r *http.Request) (tokens []string) {
	for _, value := range r.Header.Values("Authorization") {
		if scheme, token, ok := strings.Cut(value, " "); ok && strings.EqualFold(scheme, "Bearer") {
			tokens = append(tokens, strings.TrimSpace(token))
		}
	}
	return tokens
}

// Confidential reports whether nobody on the way sees what a request shows: it came over TLS, or from this machine to an
// address of its own.
func Confidential(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	switch local := r.Context().Value(http.LocalAddrContextKey).(type) {
	case *net.TCPAddr:
		return local.IP.IsLoopback()
	case *net.UnixAddr:
		return true
	}
	return false
}

// refusalWindow is for how long refusals of one admin, for one thing at one address, are one entry of the audit trail.
const refusalWindow = 10 * time.Minute

// Forbid refuses, and leaves a trace of somebody who tried what he may not do: his certificate, token or browser may be in other hands.
func (d *Door) Forbid(r *call.Request, v Visitor, needs access.Capability) error {
	refusal := ErrForbiddenRole.With("capability", string(needs)).With("role", string(v.Role))
	subject := sha256.Sum256([]byte(strings.Join([]string{string(v.By), v.Name, string(needs), ratelimit.Subject(r.From)}, "\n")))
	first, err := d.cfg.Limits.First(r.Context(), "admin-refused", hex.EncodeToString(subject[:16]), refusalWindow)
	if first {
		err = d.cfg.Access.RecordRefusal(r.Context(), v.Actor, refusal)
	}
	if err != nil { // no reason to answer anything but the refusal
		d.cfg.Logger.Error("a refusal cannot be recorded", "error", err)
	}
	return refusal.WithCause(errors.New(string(v.By) + " of " + v.Name))
}
