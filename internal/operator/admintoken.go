package operator

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/api"
)

// AdminTokenAddOptions are the flags of admin token add.
type AdminTokenAddOptions struct {
	Role  string
	Scope string // capabilities between commas; empty: whatever the role may
	TTL   time.Duration
}

// AdminTokenAdd makes an API token and shows it, this once.
func (c *Console) AdminTokenAdd(ctx context.Context, name string, opts AdminTokenAddOptions) error {
	role, err := access.ParseRole(opts.Role)
	if err != nil {
		return err
	}
	scopes, err := access.ParseScopes(opts.Scope, role)
	if err != nil {
		return advise(err, access.ErrScope, "%s may: %s", role, strings.Join(access.Words(role.Capabilities()), ", "))
	}
	if opts.TTL == 0 {
		return access.ErrTokenTTL // what is said must not become the default
	}
	made, err := c.access.AddToken(ctx, access.NewToken{Name: name, Role: role, Scopes: scopes, TTL: opts.TTL}, c.by)
	if err != nil {
		return err
	}
	c.say("✓ %s may act as %s until %s", name, role, moment(made.ExpiresAt))
	document := map[string]any{
		"name": name, "token": made.Secret.Reveal(), "role": role, "scopes": scopes, "expires_at": api.Time{Time: made.ExpiresAt},
	}
	return c.print(document, func(out io.Writer) {
		_, _ = fmt.Fprintln(out, made.Secret.Reveal())
		c.say("  It is kept nowhere: note it now. Send it as Authorization: Bearer.")
	})
}

// AdminTokenList prints every API token ever made, without the tokens.
func (c *Console) AdminTokenList(ctx context.Context) error {
	tokens, err := c.access.ListTokens(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	type listed struct {
		Name       string   `json:"name"`
		Prefix     string   `json:"token_prefix"`
		Role       string   `json:"role"`
		Scopes     []string `json:"scopes"` // null: whatever the role may
		State      string   `json:"state"`
		ExpiresAt  api.Time `json:"expires_at"`
		LastUsedAt api.Time `json:"last_used_at"`
		CreatedAt  api.Time `json:"created_at"`
		CreatedBy  string   `json:"created_by"`
	}
	all := make([]listed, 0, len(tokens))
	t := table{head: []string{"NAME", "TOKEN", "ROLE", "SCOPE", "STATE", "UNTIL", "USED"}, optional: []string{"SCOPE", "TOKEN"}}
	for _, token := range tokens {
		state, used := access.TokenState(&token), api.Time{}
		if token.LastUsedAt != nil {
			used.Time = *token.LastUsedAt
		}
		all = append(all, listed{
			token.Name, token.TokenPrefix, token.Role, token.Scopes, state,
			api.Time{Time: token.ExpiresAt}, used, api.Time{Time: token.CreatedAt}, token.CreatedBy,
		})
		t.rows = append(t.rows, []string{
			token.Name, token.TokenPrefix + "…", token.Role, dash(strings.Join(token.Scopes, ",")), state, moment(token.ExpiresAt), ago(token.LastUsedAt, now),
		})
	}
	if len(tokens) == 0 {
		c.say("No API tokens yet. Make one: cdxgate admin token add NAME --role viewer")
	}
	return c.print(map[string]any{"tokens": all}, func(out io.Writer) { t.write(out, c.Err) })
}

// AdminTokenRevoke ends an API token.
func (c *Console) AdminTokenRevoke(ctx context.Context, name string) error {
	if err := c.confirm("Revoke the API token " + name + "? What uses it is refused at once."); err != nil {
		return err
	}
	if err := c.access.RevokeToken(ctx, name, c.by); err != nil {
		return err
	}
	c.say("✓ the API token %s opens nothing any more", name)
	return c.print(map[string]any{"name": name, "revoked": true}, func(io.Writer) {})
}
