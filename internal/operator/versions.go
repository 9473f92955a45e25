package operator

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/cdxgate/cdxgate/internal/release"
)

// shownVersions is what versions show and check print as JSON.
type shownVersions struct {
	Target    string     `json:"target"` // the Codex that hosts are told to run; "": none
	Source    string     `json:"source"` // locked, github, cache, cache_stale, unknown
	Newest    string     `json:"newest"` // the newest Codex that is known of
	CheckedAt *time.Time `json:"checked_at"`
	Reason    string     `json:"reason"` // why the newest look for it failed
	FailedAt  *time.Time `json:"failed_at"`
	Gateway   string     `json:"gateway"` // of this program, and of the cdx that it hands out
}

// VersionsShow prints which Codex hosts are told to run, and why.
func (c *Console) VersionsShow(ctx context.Context) error {
	newest, err := c.codex.Known(ctx)
	if err != nil {
		return err
	}
	return c.printVersions(ctx, newest)
}

// VersionsCheck looks for the newest Codex and prints it. Errors: release.ErrLook, with the reason as its cause.
func (c *Console) VersionsCheck(ctx context.Context) error {
	newest, err := c.codex.Check(ctx, c.by)
	if err != nil {
		return err
	}
	if newest.Source != release.SourceGitHub {
		return release.ErrLook.WithCause(errors.New(newest.Reason))
	}
	return c.printVersions(ctx, newest)
}

func (c *Console) printVersions(ctx context.Context, newest release.Known) error {
	decided, err := c.policies.Load(ctx)
	if err != nil {
		return err
	}
	shown := shownVersions{
		Target: newest.Version, Source: newest.Source, Newest: newest.Version, CheckedAt: timeOrNil(newest.CheckedAt),
		Reason: newest.Reason, FailedAt: timeOrNil(newest.FailedAt), Gateway: c.Version,
	}
	if decided.ClientVersion != "" {
		shown.Target, shown.Source = decided.ClientVersion, release.SourceLocked
	}
	return c.print(shown, func(out io.Writer) {
		now := time.Now()
		t := table{head: []string{"WHAT", "VERSION", "FROM"}, rows: [][]string{
			{"Codex for hosts", orDash(&shown.Target), shown.Source},
			{"newest Codex", orDash(&shown.Newest), "asked " + ago(shown.CheckedAt, now)},
			{"cdx for hosts", shown.Gateway, "this gateway"},
		}}
		t.write(out, c.Err)
		if shown.Reason != "" {
			c.say("! The newest Codex could not be found out: %s", visible(shown.Reason, ""))
		}
	})
}

// timeOrNil is nil for no time.
func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
