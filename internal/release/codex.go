package release

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/github"
)

// LookEvery is how often GitHub should be asked: with a tenth more, what is known stays fresh.
const LookEvery = 160 * time.Minute

// fresh is for how long an answer of GitHub's counts as news (contract/host-api.md 2.6.2).
const fresh = 3 * time.Hour

// Bounds on one look, which no gateway begins while another is at it, and on waiting for another's: together less than a
// call may take.
const (
	storeTime = 3 * time.Second
	lookLease = github.Timeout + storeTime + time.Second
	lookWait  = lookLease + lookPoll
	lookPoll  = 50 * time.Millisecond
	maxReason = 512 // bytes
)

// Where a version is from, in the words of the wire.
const (
	SourceGitHub  = "github"      // asked just now
	SourceCache   = "cache"       // asked not long ago
	SourceStale   = "cache_stale" // asked long ago, or in vain just now
	SourceUnknown = "unknown"     // no answer was ever any good
	SourceLocked  = "locked"      // decided by an admin
)

// ErrLook is a look for the newest Codex that failed. The cause says why.
var ErrLook = errs.New(errs.Unavailable, "codex_release_unknown", "The newest Codex could not be found out")

var (
	errOff     = errors.New("the option github_api is off")
	errBusy    = errors.New("another look has been going on for too long")
	errAnother = errors.New("another look has begun meanwhile")
)

// Codex knows which Codex is the newest, for all gateways of a database. Asking for what is known never waits for GitHub.
// It is safe for concurrent use.
type Codex struct {
	store  *db.Store
	source *github.Client // nil: nobody is asked, and nothing is known
}

// NewCodex makes a service that asks source; nil: nobody, as on a site without access to the outside.
func NewCodex(store *db.Store, source *github.Client) *Codex {
	return &Codex{store: store, source: source}
}

// Known is what is known of the newest Codex.
type Known struct {
	Version   string    // "": nothing
	CheckedAt time.Time // when GitHub last said so; zero: never
	Source    string    // one of the constants, but never SourceLocked
	Reason    string    // why the newest look failed; "": it did not
	FailedAt  time.Time // when it did
}

// Known returns what is known.
func (c *Codex) Known(ctx context.Context) (Known, error) {
	if c.source == nil {
		return Known{Source: SourceUnknown}, nil
	}
	row, err := c.store.CodexReleaseGet(ctx, fresh.Seconds())
	if err != nil {
		return Known{}, fmt.Errorf("reading the newest Codex: %w", err)
	}
	return known(&row), nil
}

func known(row *db.CodexReleaseGetRow) Known {
	k := Known{Version: row.Version, Source: SourceUnknown}
	if row.Failing {
		k.Reason, k.FailedAt = row.LastError, row.FailedAt
	}
	if row.Version != "" {
		k.CheckedAt, k.Source = row.CheckedAt, SourceStale
	}
	if row.Version != "" && row.Fresh {
		k.Source = SourceCache
	}
	return k
}

// Fill puts what is known into a versions block, unless an admin has decided which version it is.
func (k Known) Fill(versions *api.Versions) {
	if versions.ClientVersionSource == SourceLocked {
		return
	}
	versions.ClientVersionSource = k.Source
	if k.Version != "" {
		versions.ClientVersion, versions.ClientVersionCheckedAt = &k.Version, api.Time{Time: k.CheckedAt}
	}
}

// Look is a job: one look. It never says that something changed, since there is nothing more to do at once.
//
// Errors: ErrLook, with when to come back if GitHub said so.
func (c *Codex) Look(ctx context.Context) (changed int, err error) {
	return 0, c.look(ctx, audit.Gateway)
}

// Check looks now, or waits for a look that goes on, in a few seconds, and returns what is known then: of SourceGitHub if the
// look was good; if not, Reason says why. It is recorded.
func (c *Codex) Check(ctx context.Context, by audit.Actor) (Known, error) {
	lookErr := c.look(ctx, by)
	if lookErr != nil && !errors.Is(lookErr, ErrLook) {
		return Known{}, lookErr
	}
	k, err := c.Known(ctx)
	if err != nil {
		return Known{}, err
	}
	switch {
	case lookErr == nil:
		k.Source, k.Reason = SourceGitHub, ""
	case k.Version != "":
		k.Source, k.Reason = SourceStale, reason(lookErr)
	default:
		k.Reason = reason(lookErr)
	}
	details := audit.Details{"version": k.Version, "source": k.Source}
	if k.Reason != "" {
		details["reason"] = k.Reason
	}
	err = c.store.WithTx(ctx, func(q *db.Queries) error {
		return audit.Record(ctx, q, audit.Entry{At: time.Now(), Actor: by, Action: audit.ActionVersionsCheck, Details: details})
	})
	return k, err
}

// look asks GitHub and keeps what it said; who comes while another look goes on waits for that one instead.
func (c *Codex) look(ctx context.Context, by audit.Actor) error {
	if c.source == nil {
		return ErrLook.WithCause(errOff)
	}
	waitCtx, cancel := context.WithTimeout(ctx, lookWait)
	defer cancel()
	for {
		claim, err := c.store.CodexReleaseClaim(ctx, lookLease.Seconds())
		if err == nil {
			return c.ask(ctx, &claim, by)
		}
		if !db.IsNoRows(err) {
			return fmt.Errorf("beginning to look for the newest Codex: %w", err)
		}
		if ended, err := c.await(waitCtx); ended || err != nil {
			return err
		}
	}
}

// ask asks GitHub, unless it does not want to be.
func (c *Codex) ask(ctx context.Context, claim *db.CodexReleaseClaimRow, by audit.Actor) error {
	if wait := time.Duration(claim.WaitSeconds * float64(time.Second)); wait > 0 {
		return c.failed(ctx, claim.Looks, wait, fmt.Errorf("GitHub does not want to be asked for another %s", wait.Round(time.Second)))
	}
	askCtx, cancel := context.WithTimeout(ctx, github.Timeout)
	defer cancel()
	found, err := c.source.Latest(askCtx, claim.Etag)
	if err != nil && ctx.Err() != nil { // no fault of GitHub's
		return errors.Join(fmt.Errorf("looking for the newest Codex: %w", ctx.Err()), c.abandon(ctx, claim.Looks))
	}
	if err != nil {
		var wait time.Duration
		if refusal, is := errors.AsType[*github.RefusalError](err); is {
			wait = refusal.Wait
		}
		return c.failed(ctx, claim.Looks, wait, err)
	}
	if found.Unchanged {
		found.Version = claim.Version
	}
	return c.found(ctx, claim, found, by)
}

// found keeps a good answer. A version that was not known is recorded: it is what hosts will install.
func (c *Codex) found(ctx context.Context, claim *db.CodexReleaseClaimRow, found github.Release, by audit.Actor) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTime)
	defer cancel()
	return c.store.WithTx(ctx, func(q *db.Queries) error {
		kept, err := q.CodexReleaseFound(ctx, db.CodexReleaseFoundParams{Version: found.Version, Etag: found.ETag, Looks: claim.Looks})
		if err != nil {
			return fmt.Errorf("keeping the newest Codex: %w", err)
		}
		if kept == 0 {
			return ErrLook.WithCause(errAnother)
		}
		if !found.Unchanged {
			if err := keepNotes(ctx, q, &found); err != nil {
				return err
			}
		}
		if found.Version == claim.Version {
			return nil
		}
		return audit.Record(ctx, q, audit.Entry{
			At: time.Now(), Actor: by, Action: audit.ActionCodexRelease, Details: audit.Details{"version": found.Version, "before": claim.Version},
		})
	})
}

// failed keeps why a look failed, and what is known besides.
func (c *Codex) failed(ctx context.Context, looks int64, wait time.Duration, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTime)
	defer cancel()
	_, err := c.store.CodexReleaseFailed(ctx, db.CodexReleaseFailedParams{Error: clip(cause.Error()), WaitSeconds: wait.Seconds(), Looks: looks})
	if err != nil {
		return fmt.Errorf("keeping why the newest Codex is not known: %w", err)
	}
	return ErrLook.WithCause(cause).Later(wait)
}

// abandon leaves a look that was interrupted to whoever comes next.
func (c *Codex) abandon(ctx context.Context, looks int64) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTime)
	defer cancel()
	if err := c.store.CodexReleaseAbandon(ctx, looks); err != nil {
		return fmt.Errorf("giving up to look for the newest Codex: %w", err)
	}
	return nil
}

// await waits for the look that goes on, and is as successful as that. Not ended: nobody ever said what came of it.
func (c *Codex) await(ctx context.Context) (ended bool, err error) {
	poll := time.NewTicker(lookPoll)
	defer poll.Stop()
	for {
		row, err := c.store.CodexReleaseGet(ctx, fresh.Seconds())
		switch {
		case ctx.Err() != nil:
			return false, ErrLook.WithCause(errBusy)
		case err != nil:
			return false, fmt.Errorf("waiting for the newest Codex: %w", err)
		case row.Abandoned:
			return false, nil
		case !row.Looking && row.Failing:
			return true, ErrLook.WithCause(errors.New(row.LastError))
		case !row.Looking:
			return true, nil
		}
		select {
		case <-ctx.Done():
		case <-poll.C:
		}
	}
}

// reason is why a look failed, for admins.
func reason(err error) string {
	if cause := errs.Of(err).Cause; cause != nil {
		return clip(cause.Error())
	}
	return err.Error()
}

// clip makes a text one that can be kept.
func clip(text string) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "?"), "\x00", "?")
	if len(text) > maxReason {
		text = strings.ToValidUTF8(text[:maxReason-len("…")], "") + "…"
	}
	return cmp.Or(text, "unknown")
}
