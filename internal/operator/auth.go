package operator

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/credential"
)

// shownGeneration is a generation as auth show -o json shows it.
type shownGeneration struct {
	Account          string   `json:"account"`
	Generation       int64    `json:"generation"`
	Digest           string   `json:"digest"`
	LastRefresh      string   `json:"last_refresh"`
	ChatGPTAccountID string   `json:"chatgpt_account_id"`
	AccessExpiresAt  api.Time `json:"access_expires_at"`
	Source           string   `json:"source"`
	CreatedAt        api.Time `json:"created_at"`
}

func (c *Console) shown(g credential.Generation) shownGeneration {
	return shownGeneration{
		Account: c.account.Name, Generation: g.Number, Digest: g.Digest.String(), LastRefresh: g.LastRefresh,
		ChatGPTAccountID: g.ChatGPTAccountID, AccessExpiresAt: api.Time{Time: g.AccessExpiresAt}, Source: g.Source,
		CreatedAt: api.Time{Time: g.CreatedAt},
	}
}

// AuthUpload makes a file, or with "-" what comes in, the fleet's login.
func (c *Console) AuthUpload(ctx context.Context, path string) error {
	file, err := c.readFile(path)
	if err != nil {
		return err
	}
	outcome, err := c.credentials.Upload(ctx, c.account.ID, file, c.by)
	if err != nil {
		return err
	}
	if outcome.Verdict == credential.Unchanged {
		c.say("✓ this is the fleet's login already, generation %d%s", outcome.Current.Number, validity(outcome.Current))
	} else {
		c.say("✓ this is the fleet's login now, generation %d%s", outcome.Current.Number, validity(outcome.Current))
	}
	document := struct {
		Status string `json:"status"`
		shownGeneration
	}{string(outcome.Verdict), c.shown(outcome.Current)}
	return c.print(document, func(io.Writer) {})
}

// readFile reads a file, or with "-" what comes in: as much as anything may hold, and one byte more.
func (c *Console) readFile(path string) ([]byte, error) {
	source := c.In
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("reading the file: %w", err)
		}
		defer func() { _ = file.Close() }()
		source = file
	}
	text, err := io.ReadAll(io.LimitReader(source, api.MaxBodyBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading the file: %w", err)
	}
	return text, nil
}

// AuthShowOptions are the flags of auth show.
type AuthShowOptions struct {
	Reveal bool // print the auth.json itself, which is recorded
}

// AuthShow prints what the fleet's login is, or the login itself.
func (c *Console) AuthShow(ctx context.Context, opts AuthShowOptions) error {
	if opts.Reveal {
		body, err := c.credentials.Reveal(ctx, c.account.ID, c.by)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(c.Out, "%s\n", []byte(body))
		return err
	}
	current, err := c.credentials.Current(ctx, c.account.ID)
	if err != nil {
		return err
	}
	holders, hosts, err := c.fleet.Holders(ctx, current.Digest[:])
	if err != nil {
		return err
	}
	document := struct {
		shownGeneration
		Holders int64 `json:"holders"`
		Hosts   int64 `json:"hosts"`
	}{c.shown(current), holders, hosts}
	return c.print(document, func(out io.Writer) {
		until := "unknown: the access token is no JWT"
		if !current.AccessExpiresAt.IsZero() {
			until = moment(current.AccessExpiresAt) + " (" + left(current.AccessExpiresAt, time.Now()) + ")"
		}
		for _, fact := range [][2]string{
			{"login", fmt.Sprintf("generation %d", current.Number)},
			{"valid", until},
			{"account", dash(current.ChatGPTAccountID)},
			{"refreshed", current.LastRefresh},
			{"digest", current.Digest.String()},
			{"from", current.Source + ", " + moment(current.CreatedAt)},
			{"holders", fmt.Sprintf("%d of %d hosts", holders, hosts)},
		} {
			_, _ = fmt.Fprintf(out, "%-9s %s\n", fact[0], fact[1])
		}
	})
}

// validity says how long the access token of a generation is good, when it says so itself.
func validity(g credential.Generation) string {
	if g.AccessExpiresAt.IsZero() {
		return ""
	}
	now := time.Now()
	if !g.AccessExpiresAt.After(now) {
		return "; its access token has expired"
	}
	return fmt.Sprintf(", valid until %s (%s)", moment(g.AccessExpiresAt), left(g.AccessExpiresAt, now))
}
