package admin

import (
	"encoding/hex"
	"fmt"
	"net/url"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/adminca"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/door"
	"github.com/cdxgate/cdxgate/internal/errs"
)

// Words to sort lists of admins by.
const (
	byName    = "name"
	byCreated = "created_at"
	byExpiry  = "expires_at"
	byUse     = "last_used_at"
)

// certificates serves GET /admin/certificates: every certificate ever handed out or trusted. They are made on the console
// alone: a private key does not travel.
func (s *Surface) certificates(r *call.Request, _ audit.Actor) (any, error) {
	q := readQuery(r, "limit", "cursor", "sort", "direction", "state", "q")
	limit, o := q.number("limit", maxPage, maxPage), q.order("certificates", ascending, rankNumbers, byName, byCreated, "not_after")
	state, search := q.word("state", "", adminca.States...), q.text("q")
	if q.err != nil {
		return nil, q.err
	}
	certs, err := s.cfg.Certs.List(r.Context())
	if err != nil {
		return nil, err
	}
	all := []api.AdminCertificate{}
	for _, cert := range certs {
		is, _ := s.cfg.Certs.State(cert)
		if (state == "" || state == is) && has(search, cert.Name, cert.Serial) {
			all = append(all, api.AdminCertificate{
				ID: cert.ID, Name: cert.Name, Role: cert.Role, State: is, Serial: cert.Serial, SPKI: hex.EncodeToString(cert.SPKISHA256),
				Issuer: textOrNull(hex.EncodeToString(cert.IssuerSPKISHA256)), NotAfter: api.Time{Time: cert.NotAfter},
				RevokedAt: timeOrNull(cert.RevokedAt), CreatedAt: api.Time{Time: cert.CreatedAt},
			})
		}
	}
	answer := api.AdminCertificates{}
	answer.Certificates, answer.NextCursor = part(all, o, limit, func(c *api.AdminCertificate) rank {
		switch o.sort {
		case byCreated:
			return rank{c.CreatedAt.UnixMicro(), c.Name, c.ID}
		case byName:
			return rank{0, c.Name, c.ID}
		}
		return rank{c.NotAfter.UnixMicro(), c.Name, c.ID}
	})
	return answer, nil
}

// revokeCertificates serves POST /admin/certificates/revoke: those of a name, or one of them. It may be the caller's own.
func (s *Surface) revokeCertificates(r *call.Request, by audit.Actor) (any, error) {
	var request api.AdminCertificateRevocation
	if err := r.Decode(&request); err != nil {
		return nil, err
	}
	if request.Name == "" {
		return nil, errs.Field("name", "name is required")
	}
	revoked, err := s.cfg.Certs.Revoke(r.Context(), request.Name, request.Serial, by)
	if err != nil {
		return nil, err
	}
	answer := api.AdminCertificatesRevoked{Name: request.Name, Revoked: make([]api.AdminRevoked, 0, len(revoked))}
	for _, cert := range revoked {
		answer.Revoked = append(answer.Revoked, api.AdminRevoked{Serial: cert.Serial, RevokedAt: api.Time{Time: cert.At}})
	}
	return answer, nil
}

// apiTokens serves GET /admin/api-tokens: every API token ever made, without the tokens.
func (s *Surface) apiTokens(r *call.Request, _ audit.Actor) (any, error) {
	q := readQuery(r, "limit", "cursor", "sort", "direction", "state", "q")
	limit, o := q.number("limit", maxPage, maxPage), q.order("api-tokens", ascending, rankNumbers, byName, byCreated, byExpiry, byUse)
	state, search := q.word("state", "", access.StateGood, access.StateExpired, access.StateRevoked), q.text("q")
	if q.err != nil {
		return nil, q.err
	}
	tokens, err := s.cfg.Access.ListTokens(r.Context())
	if err != nil {
		return nil, err
	}
	all := []api.AdminToken{}
	for _, token := range tokens {
		is := access.TokenState(&token)
		if (state == "" || state == is) && has(search, token.Name, token.TokenPrefix, token.CreatedBy) {
			shown := api.AdminToken{
				ID: token.ID, Name: token.Name, Prefix: token.TokenPrefix, Role: token.Role, State: is, CreatedBy: token.CreatedBy,
				CreatedAt: api.Time{Time: token.CreatedAt}, ExpiresAt: api.Time{Time: token.ExpiresAt}, LastUsedAt: timeOrNull(token.LastUsedAt),
				RevokedAt: timeOrNull(token.RevokedAt),
			}
			if token.Scopes != nil {
				shown.Scopes = &token.Scopes
			}
			all = append(all, shown)
		}
	}
	answer := api.AdminTokenList{}
	answer.Tokens, answer.NextCursor = part(all, o, limit, func(t *api.AdminToken) rank {
		at := map[string]api.Time{byCreated: t.CreatedAt, byExpiry: t.ExpiresAt, byUse: t.LastUsedAt}[o.sort]
		if at.IsZero() { // by name, or never used
			return rank{0, t.Name, t.ID}
		}
		return rank{at.UnixMicro(), t.Name, t.ID}
	})
	return answer, nil
}

// makeToken serves POST /admin/api-tokens. The token is shown this once. It can do no more than who makes it and, if that is
// an API token itself, goes on no longer: one that leaked must not live on in those it made.
func (s *Surface) makeToken(r *call.Request, v door.Visitor) (any, error) {
	var request api.AdminTokenRequest
	if err := r.Decode(&request); err != nil {
		return nil, err
	}
	wanted := access.NewToken{Name: request.Name, Role: access.Role(request.Role), Within: &v.Grant}
	if v.By != access.Token {
		wanted.Within = &access.Grant{Role: v.Role, Scopes: v.Scopes}
	}
	if request.Scopes != nil {
		if len(*request.Scopes) == 0 {
			return nil, errs.Field("scopes", "scopes must name a capability, or be null for all that the role may")
		}
		for _, scope := range *request.Scopes {
			wanted.Scopes = append(wanted.Scopes, access.Capability(scope))
		}
	}
	if request.TTLSeconds != nil {
		if *request.TTLSeconds < 1 || *request.TTLSeconds > maxTTLSeconds {
			return nil, errs.Field("ttl_seconds", fmt.Sprintf("ttl_seconds must be a number from 1 to %d", maxTTLSeconds))
		}
		wanted.TTL = time.Duration(*request.TTLSeconds) * time.Second
	}
	made, err := s.cfg.Access.AddToken(r.Context(), wanted, v.Actor)
	if err != nil {
		return nil, err
	}
	return api.AdminTokenMade{
		Name: request.Name, Token: made.Secret.Reveal(), Prefix: made.Prefix, Role: request.Role, Scopes: request.Scopes, ExpiresAt: api.Time{Time: made.ExpiresAt},
	}, nil
}

const maxTTLSeconds = 366 * 24 * 60 * 60

// revokeToken serves DELETE /admin/api-tokens/{name}. It may be the caller's own.
func (s *Surface) revokeToken(r *call.Request, by audit.Actor) (any, error) {
	name, err := url.PathUnescape(r.Param)
	if err != nil {
		return nil, access.ErrTokenUnknown
	}
	if err := s.cfg.Access.RevokeToken(r.Context(), name, by); err != nil {
		return nil, err
	}
	return api.AdminTokenRevoked{Revoked: name}, nil
}

// sessions serves GET /admin/sessions: those of the last month, the newest first.
func (s *Surface) sessions(r *call.Request, _ audit.Actor) (any, error) {
	q := readQuery(r, "limit", "cursor", "direction", "state", "q")
	limit, o := q.number("limit", maxPage, maxPage), q.order("sessions", descending, rankNumbers)
	state, search := q.word("state", "", access.StateOpen, access.StateOver, access.StateRevoked), q.text("q")
	if q.err != nil {
		return nil, q.err
	}
	rows, err := s.cfg.Access.ListSessions(r.Context())
	if err != nil {
		return nil, err
	}
	all := []api.AdminSession{}
	for _, row := range rows {
		session := wireSession(&row)
		if (state == "" || state == session.State) && has(search, row.CreatedBy, textOf(session.From)) {
			all = append(all, session)
		}
	}
	answer := api.AdminSessions{}
	answer.Sessions, answer.NextCursor = part(all, o, limit, func(session *api.AdminSession) rank { return rank{id: session.ID} })
	return answer, nil
}

func wireSession(row *db.AdminSessionListRow) api.AdminSession {
	session := api.AdminSession{
		ID: row.ID, Link: row.LinkID, Role: row.Role, State: access.SessionState(row), CreatedBy: row.CreatedBy,
		CreatedAt: api.Time{Time: row.CreatedAt}, ExpiresAt: api.Time{Time: row.ExpiresAt}, RevokedAt: timeOrNull(row.RevokedAt),
	}
	if row.UsedFrom != nil {
		session.From = new(row.UsedFrom.String())
	}
	return session
}

// revokeSession serves DELETE /admin/sessions/{id}. It may be the caller's own.
func (s *Surface) revokeSession(r *call.Request, by audit.Actor) (any, error) {
	id, err := pathID(r)
	if err != nil {
		return nil, err
	}
	if err := s.cfg.Access.RevokeSession(r.Context(), id, by); err != nil {
		return nil, err
	}
	return api.AdminSessionRevoked{Revoked: id}, nil
}
