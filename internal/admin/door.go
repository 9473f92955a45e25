package admin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
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

func accepts(ctx context.Context, kind access.Kind) bool {
	kinds, told := ctx.Value(acceptingKey{}).([]access.Kind)
	if !told {
		return kind == access.Certificate
	}
	return slices.Contains(kinds, kind)
}

// visitor is somebody who was identified.
type visitor struct {
	kind access.Kind
	audit.Actor
	access.Grant
}

// admit identifies the caller, then refuses what a browser was tricked into sending, since it shows certificates and
// cookies to whoever makes it call, then what he may not do.
func (s *Surface) admit(r *call.Request, needs access.Capability) (visitor, error) {
	v, err := s.identify(r)
	if err != nil {
		return visitor{}, err
	}
	if err := s.defend(r, v.kind); err != nil {
		return visitor{}, err
	}
	if !v.May(needs) {
		return visitor{}, s.forbid(r, v, needs)
	}
	return v, nil
}

// identify finds out who calls. An API token, which nobody shows by accident, goes before a session, and that before a
// certificate; what is shown and no good is not made up for by something else.
func (s *Surface) identify(r *call.Request) (visitor, error) {
	tokens, cookies := bearers(r.Request), r.CookiesNamed(CookieName)
	var kind access.Kind
	switch {
	case len(tokens) > 0 && accepts(r.Context(), access.Token):
		kind = access.Token
	case len(cookies) > 0 && accepts(r.Context(), access.Session):
		kind = access.Session
	case !accepts(r.Context(), access.Certificate):
		return visitor{}, ErrNobody
	case r.TLS == nil:
		return visitor{}, adminca.ErrNoCertificate
	default:
		kind = access.Certificate
	}
	if kind != access.Certificate && !confidential(r.Request) {
		return visitor{}, ErrPlaintext
	}
	if err := s.cfg.Limits.Blocked(r.Context(), ratelimit.AdminFail, r.From); err != nil {
		return visitor{}, err
	}
	var v visitor
	var err error
	switch kind {
	case access.Token:
		v, err = s.byToken(r, tokens)
	case access.Session:
		v, err = s.bySession(r, cookies)
	case access.Certificate:
		v, err = s.byCertificate(r)
	}
	// Who has had a session does not guess: its browser may go on asking with the cookie of a session that is over.
	if refusal := errs.Of(err); refusal != nil && (refusal.Kind == errs.Forbidden || refusal.Kind == errs.Unauthenticated) && refusal.Code != access.ErrSessionOver.Code {
		err = s.cfg.Limits.Failure(r.Context(), ratelimit.AdminFail, r.From, refusal)
	}
	return v, err
}

func (s *Surface) byCertificate(r *call.Request) (visitor, error) {
	identity, err := s.cfg.Certs.Admit(r.Context(), r.TLS.VerifiedChains)
	if err != nil {
		return visitor{}, err
	}
	grant := access.Grant{Role: access.Role(identity.Role), ExpiresAt: identity.NotAfter}
	return visitor{access.Certificate, audit.Actor{Kind: audit.KindAdmin, Name: identity.Name, IP: r.From}, grant}, nil
}

func (s *Surface) byToken(r *call.Request, presented []string) (visitor, error) {
	if len(presented) != 1 { // which of them counts is no question to answer by chance
		return visitor{}, access.ErrToken
	}
	who, err := s.cfg.Access.ByToken(r.Context(), presented[0])
	return visitor{access.Token, audit.Actor{Kind: audit.KindAdmin, Name: who.Name, IP: r.From}, who.Grant}, err
}

func (s *Surface) bySession(r *call.Request, cookies []*http.Cookie) (visitor, error) {
	if len(cookies) != 1 {
		return visitor{}, access.ErrSession
	}
	who, err := s.cfg.Access.BySession(r.Context(), cookies[0].Value)
	return visitor{access.Session, audit.Actor{Kind: audit.KindAdmin, Name: who.Name, IP: r.From}, who.Grant}, err
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

// confidential reports whether nobody on the way sees what a request shows: it came over TLS, or from this machine to an
// address of its own.
func confidential(r *http.Request) bool {
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

// forbid leaves a trace of somebody who tried what he may not do: his certificate, token or browser may be in other hands.
func (s *Surface) forbid(r *call.Request, v visitor, needs access.Capability) error {
	refusal := ErrForbiddenRole.With("capability", string(needs)).With("role", string(v.Role))
	subject := sha256.Sum256([]byte(strings.Join([]string{string(v.kind), v.Name, string(needs), ratelimit.Subject(r.From)}, "\n")))
	first, err := s.cfg.Limits.First(r.Context(), "admin-refused", hex.EncodeToString(subject[:16]), refusalWindow)
	if first {
		err = s.cfg.Access.RecordRefusal(r.Context(), v.Actor, refusal)
	}
	if err != nil { // no reason to answer anything but the refusal
		s.cfg.Logger.Error("a refusal cannot be recorded", "error", err)
	}
	return refusal.WithCause(errors.New(string(v.kind) + " of " + v.Name))
}
