package operator

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/errs"
)

// ErrNoLoginSite is a configuration in which no site accepts sessions: a login link would lead nowhere.
var ErrNoLoginSite = errs.New(errs.Conflict, "no_login_site",
	"no site of this configuration accepts sessions: give one “cdxgate_console { access session }” (docs/configuration.md)")

// AdminLink makes a login link and prints it.
func (c *Console) AdminLink(ctx context.Context, roleName string) error {
	role, err := access.ParseRole(roleName)
	if err != nil {
		return err
	}
	if c.LoginSite == "" {
		return ErrNoLoginSite
	}
	link, err := c.access.NewLink(ctx, role, c.by)
	if err != nil {
		return err
	}
	url := c.LoginSite + api.PathLoginLink + link.Secret.Reveal()
	document := map[string]any{"link": link.ID, "url": url, "role": role, "expires_at": api.Time{Time: link.ExpiresAt}}
	return c.print(document, func(out io.Writer) {
		_, _ = fmt.Fprintln(out, url)
		c.say("✓ it works once, in the next 5 minutes, and logs a browser in as %s for 12 hours", role)
	})
}

// AdminSessionList prints the sessions of the last month.
func (c *Console) AdminSessionList(ctx context.Context) error {
	sessions, err := c.access.ListSessions(ctx)
	if err != nil {
		return err
	}
	type listed struct {
		ID        int64    `json:"id"`
		Link      int64    `json:"link"`
		Role      string   `json:"role"`
		CreatedBy string   `json:"created_by"`
		From      string   `json:"from"`
		State     string   `json:"state"`
		CreatedAt api.Time `json:"created_at"`
		ExpiresAt api.Time `json:"expires_at"`
	}
	all := make([]listed, 0, len(sessions))
	t := table{head: []string{"ID", "ROLE", "LINK BY", "FROM", "STATE", "SINCE", "UNTIL"}, optional: []string{"SINCE"}}
	for _, session := range sessions {
		state, from := access.SessionState(&session), ""
		if session.UsedFrom != nil {
			from = session.UsedFrom.String()
		}
		all = append(all, listed{
			session.ID, session.LinkID, session.Role, session.CreatedBy, from, state, api.Time{Time: session.CreatedAt}, api.Time{Time: session.ExpiresAt},
		})
		t.rows = append(t.rows, []string{
			strconv.FormatInt(session.ID, 10), session.Role, session.CreatedBy, dash(from), state, moment(session.CreatedAt), moment(session.ExpiresAt),
		})
	}
	if len(sessions) == 0 {
		c.say("No sessions in the last 30 days. A login link opens one: cdxgate admin link")
	}
	return c.print(map[string]any{"sessions": all}, func(out io.Writer) { t.write(out, c.Err) })
}

// AdminSessionRevoke ends a session by its number.
func (c *Console) AdminSessionRevoke(ctx context.Context, number string) error {
	id, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return access.ErrSessionUnknown
	}
	if err := c.access.RevokeSession(ctx, id, c.by); err != nil {
		return err
	}
	c.say("✓ session %d is over", id)
	return c.print(map[string]any{"id": id, "revoked": true}, func(io.Writer) {})
}
