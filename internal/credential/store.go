package credential

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/google/uuid"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/fleet"
)

// errOvertaken means that another store became canonical between our look and our write: look again.
var errOvertaken = errors.New("another upload was faster")

// attempts bounds how often a store looks again. Each loss means that somebody else's upload was accepted, so even a
// burst of a whole fleet ends soon: a later look finds most uploads outdated.
const attempts = 16

// Visit is a host's call: who it is, from where, and on what terms.
type Visit struct {
	Host  *db.Host
	From  netip.Addr
	Grace bool // an insecure host whose window has closed: it may bring a credential, but is given none
}

func (v Visit) actor() audit.Actor {
	return audit.Actor{Kind: audit.KindHost, Name: v.Host.FQDN, IP: v.From.Unmap().WithZone("")}
}

// Retrieve tells a host what to do with its file, and hands out the canonical one if the host's is older. A delivery is
// in the database before this returns.
//
// Errors: ErrUnreadable; fleet.ErrWindowClosed in the grace, when the answer would be another than valid or
// upload_required; fleet.ErrKeyInvalid, fleet.ErrHostDisabled when the host is not what it was when it was let in.
func (s *Service) Retrieve(ctx context.Context, v Visit, held Held) (*Outcome, error) {
	outcome, denied := &Outcome{}, false
	err := s.store.WithTx(ctx, func(q *db.Queries) error {
		if _, err := fleet.Hold(ctx, q, v.Host); err != nil {
			return err
		}
		row, current, err := currentOf(ctx, q, v.Host.AccountID)
		if err != nil {
			return err
		}
		outcome.Verdict = DecideRetrieve(current.version(), held.Digest, held.RefreshedAt)
		outcome.Current = current
		if v.Grace && outcome.Verdict != Valid && outcome.Verdict != UploadRequired {
			denied = true
			return audit.Record(ctx, q, audit.Entry{
				At: s.now(), Action: audit.ActionInsecureDenied, HostID: v.Host.ID, Actor: v.actor(),
				Details: audit.Details{"command": api.CommandRetrieve, "grace": true},
			})
		}
		if outcome.Verdict == Valid || outcome.Verdict == Outdated {
			if err := synced(ctx, q, v.Host, current); err != nil {
				return err
			}
		}
		if outcome.Verdict.CarriesAuth() {
			if outcome.Body, err = s.deliver(ctx, q, v.Host, row); err != nil {
				return err
			}
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case denied:
		return nil, fleet.ErrWindowClosed
	}
	// After the transaction, with those of other hosts: nothing has left the gateway yet, and nothing does without it.
	err = s.appender.Record(ctx, audit.Entry{
		At: s.now(), Action: audit.ActionRetrieve, HostID: v.Host.ID, Actor: v.actor(),
		Details: audit.Details{
			"status": outcome.Verdict, "generation": outcome.Current.Number,
			"incoming_last_refresh": held.LastRefresh, "incoming_digest": held.Digest.String(),
			"stored_last_refresh": outcome.Current.LastRefresh, "stored_digest": outcome.Current.digestText(),
		},
	})
	if err != nil {
		return nil, err
	}
	return outcome, nil
}

// Store makes a host's upload the canonical credential if the store rule says so; see [DecideStore]. hint is the
// canonical digest that the host last saw. What a host that may not store would change waits for an admin as a proposal, and
// the host is told that nothing changed, so that it keeps its file.
//
// Errors: ErrAccountMismatch, ErrPlaceholder, ErrUnreadable, ErrContended; fleet.ErrKeyInvalid, fleet.ErrHostDisabled when
// the host is not what it was when it was let in. On any error the canonical credential is unchanged.
func (s *Service) Store(ctx context.Context, v Visit, upload *Document, hint Digest) (*Outcome, error) {
	return s.untilSettled(ctx, func(q *db.Queries, outcome *Outcome) error {
		mayStore, err := fleet.Hold(ctx, q, v.Host)
		if err != nil {
			return err
		}
		if v.Grace {
			// The hint says that the host has just been told the canonical time, which it may have written on any file.
			hint = Digest{}
		}
		row, current, err := currentOf(ctx, q, v.Host.AccountID)
		if err != nil {
			return err
		}
		if outcome.Verdict, err = DecideStore(current.version(), upload, hint); err != nil {
			return err
		}
		outcome.Current = current
		outcome.Kept = outcome.Verdict == Updated || outcome.Verdict == Unchanged
		if outcome.Verdict == Updated || outcome.Verdict == Outdated {
			was, err := q.GenerationWas(ctx, db.GenerationWasParams{
				AccountID: v.Host.AccountID, Digest: upload.Digest[:], AccessSHA256: upload.AccessSHA256, RefreshSHA256: upload.RefreshSHA256,
			})
			switch {
			case err != nil:
				return fmt.Errorf("looking for an earlier generation: %w", err)
			case was: // by its tokens, whatever time stands on it; else two hosts could replace each other's login for ever
				outcome.Verdict, outcome.Kept = Outdated, true
			}
		}
		if outcome.Verdict == Updated && !mayStore {
			outcome.Verdict, outcome.Quarantined = Unchanged, true
			if err := s.propose(ctx, q, v.Host, upload, current); err != nil {
				return err
			}
			return audit.Record(ctx, q, audit.Entry{
				At: s.now(), Action: audit.ActionStoreQuarantine, HostID: v.Host.ID, Actor: v.actor(), Details: storeDetails(outcome, upload),
			})
		}
		if outcome.Verdict == Updated {
			next := newGeneration{upload: upload, source: audit.KindHost, host: &v.Host.ID, after: row}
			if row, outcome.Current, err = s.advance(ctx, q, v.Host.AccountID, next); err != nil {
				return err
			}
		}
		if outcome.Verdict == Outdated && v.Grace { // it does not have the current one, and is not given it
			return audit.Record(ctx, q, audit.Entry{
				At: s.now(), Action: audit.ActionStore, HostID: v.Host.ID, Actor: v.actor(), Details: storeDetails(outcome, upload),
			})
		}
		if err := synced(ctx, q, v.Host, outcome.Current); err != nil {
			return err
		}
		if outcome.Verdict.CarriesAuth() && !v.Grace {
			if outcome.Body, err = s.deliver(ctx, q, v.Host, row); err != nil {
				return err
			}
		}
		return audit.Record(ctx, q, audit.Entry{
			At: s.now(), Action: audit.ActionStore, HostID: v.Host.ID, Actor: v.actor(),
			Details: storeDetails(outcome, upload),
		})
	})
}

// Upload makes an admin's or operator's file the canonical credential and begins a new lineage with it.
//
// Errors: kind Invalid, about the file; ErrPlaceholder, ErrContended. On any error the canonical credential is unchanged.
func (s *Service) Upload(ctx context.Context, accountID int64, file []byte, by audit.Actor) (*Outcome, error) {
	upload, err := s.Canonicalise(file)
	if err != nil {
		return nil, err
	}
	return s.untilSettled(ctx, func(q *db.Queries, outcome *Outcome) error {
		return s.take(ctx, q, accountID, upload, by, outcome)
	})
}

// take makes the upload of somebody whom the fleet follows canonical.
func (s *Service) take(ctx context.Context, q *db.Queries, accountID int64, upload *Document, by audit.Actor, outcome *Outcome) error {
	row, current, err := currentOf(ctx, q, accountID)
	if err != nil {
		return err
	}
	if outcome.Verdict, err = DecideAdminUpload(current.version(), upload); err != nil {
		return err
	}
	outcome.Current = current
	if outcome.Verdict == Updated {
		next := newGeneration{upload: upload, source: by.Kind, after: row, newLineage: true}
		if _, outcome.Current, err = s.advance(ctx, q, accountID, next); err != nil {
			return err
		}
	}
	return audit.Record(ctx, q, audit.Entry{
		At: s.now(), Actor: by, Action: audit.ActionStore, Details: storeDetails(outcome, upload),
	})
}

// untilSettled runs one transaction, again if it was overtaken.
func (s *Service) untilSettled(ctx context.Context, decide func(*db.Queries, *Outcome) error) (*Outcome, error) {
	for range attempts {
		outcome := &Outcome{}
		err := s.store.WithTx(ctx, func(q *db.Queries) error { return decide(q, outcome) })
		switch {
		case errors.Is(err, errOvertaken):
			continue
		case err != nil:
			return nil, err
		}
		return outcome, nil
	}
	return nil, ErrContended
}

// newGeneration is an upload about to be accepted.
type newGeneration struct {
	upload     *Document
	source     string
	host       *int64         // who uploaded it; nil: no host
	after      *db.Generation // canonical until now; nil: none
	newLineage bool           // it begins a login of its own rather than continuing the current one
	lineage    uuid.UUID      // the one it continues, if that is not the current one
	// The generation whose access token it delivers again; nil: it has tokens of its own.
	rolledBackTo *int64
}

// advance stores the next generation and makes it canonical, if the one it was compared with still is: the
// compare-and-set comes first, so that of two that decided on the same generation one waits, finds it gone, and
// decides again.
func (s *Service) advance(ctx context.Context, q *db.Queries, accountID int64, next newGeneration) (*db.Generation, Generation, error) {
	var number int64
	if next.after != nil {
		number = next.after.Number
	}
	won, err := q.AccountAdvance(ctx, db.AccountAdvanceParams{ID: accountID, Current: number, Next: number + 1})
	switch {
	case err != nil:
		return nil, Generation{}, fmt.Errorf("making generation %d canonical: %w", number+1, err)
	case won == 0:
		return nil, Generation{}, errOvertaken
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, Generation{}, fmt.Errorf("drawing a row id: %w", err)
	}
	lineage := id
	switch {
	case next.lineage != uuid.Nil:
		lineage = next.lineage
	case next.after != nil && !next.newLineage:
		lineage = next.after.Lineage
	}
	sealed, err := s.keyring.Seal(bodyPlace(id), next.upload.Body)
	if err != nil {
		return nil, Generation{}, fmt.Errorf("sealing generation %d: %w", number+1, err)
	}
	d := next.upload
	row := db.Generation{
		ID: id, AccountID: accountID, Number: number + 1, Lineage: lineage, Digest: d.Digest[:], BodySealed: sealed,
		ChatGPTAccount: textOrNil(d.ChatGPTAccountID), AccessSHA256: d.AccessSHA256, RefreshSHA256: d.RefreshSHA256,
		AccessIssuedAt: timeOrNil(d.Access.IssuedAt), AccessExpiresAt: timeOrNil(d.Access.ExpiresAt),
		LastRefresh: d.LastRefresh, LastRefreshAt: d.RefreshedAt,
		Source: next.source, SourceHostID: next.host, RolledBackTo: next.rolledBackTo, CreatedAt: s.now(),
	}
	err = q.GenerationInsert(ctx, db.GenerationInsertParams{
		ID: row.ID, AccountID: row.AccountID, Number: row.Number, Lineage: row.Lineage, Digest: row.Digest,
		BodySealed: row.BodySealed, ChatGPTAccount: row.ChatGPTAccount, AccessSHA256: row.AccessSHA256,
		RefreshSHA256: row.RefreshSHA256, AccessIssuedAt: row.AccessIssuedAt, AccessExpiresAt: row.AccessExpiresAt,
		LastRefresh: row.LastRefresh, LastRefreshAt: row.LastRefreshAt, Source: row.Source,
		SourceHostID: row.SourceHostID, RolledBackTo: row.RolledBackTo, Now: row.CreatedAt,
	})
	if err != nil {
		return nil, Generation{}, fmt.Errorf("storing generation %d: %w", row.Number, err)
	}
	err = q.CredentialProposalSettle(ctx, db.CredentialProposalSettleParams{
		AccountID: accountID, Digest: row.Digest, AccessSHA256: row.AccessSHA256, RefreshSHA256: row.RefreshSHA256,
		DecidedBy: audit.Gateway.Name, Now: row.CreatedAt,
	})
	if err != nil {
		return nil, Generation{}, fmt.Errorf("closing proposals of generation %d: %w", row.Number, err)
	}
	return &row, fromRow(&row), nil
}

// deliver opens a generation for a host and records that it got it. Opened first: a delivery that could not be made is
// not recorded.
func (s *Service) deliver(ctx context.Context, q *db.Queries, host *db.Host, row *db.Generation) (Body, error) {
	body, err := s.open(row)
	if err != nil {
		return nil, err
	}
	err = q.DeliveryInsert(ctx, db.DeliveryInsertParams{HostID: host.ID, GenerationID: row.ID, Now: s.now()})
	if err != nil {
		return nil, fmt.Errorf("recording a delivery to %s: %w", host.FQDN, err)
	}
	return body, nil
}

// currentOf reads the canonical generation; nil and a zero Generation when there is none.
func currentOf(ctx context.Context, q *db.Queries, accountID int64) (*db.Generation, Generation, error) {
	row, err := q.GenerationCurrent(ctx, accountID)
	switch {
	case db.IsNoRows(err):
		return nil, Generation{}, nil
	case err != nil:
		return nil, Generation{}, fmt.Errorf("reading the canonical generation: %w", err)
	}
	return &row, fromRow(&row), nil
}

// synced records that a host has, or is just being given, a generation.
func synced(ctx context.Context, q *db.Queries, host *db.Host, current Generation) error {
	found, err := q.HostSynced(ctx, db.HostSyncedParams{
		ID: host.ID, KeySHA256: host.KeySHA256, LastRefresh: current.LastRefresh, AuthDigest: current.Digest[:],
	})
	switch {
	case err != nil:
		return fmt.Errorf("recording what %s has: %w", host.FQDN, err)
	case found == 0:
		return fleet.ErrKeyInvalid
	}
	return nil
}

func storeDetails(outcome *Outcome, upload *Document) audit.Details {
	return audit.Details{
		"status": outcome.Verdict, "generation": outcome.Current.Number,
		"incoming_last_refresh": upload.LastRefresh, "incoming_digest": upload.Digest.String(),
		"stored_last_refresh": outcome.Current.LastRefresh, "stored_digest": outcome.Current.digestText(),
	}
}

// version is what decisions compare; nil when there is no generation.
func (g *Generation) version() *Version {
	if g.Number == 0 {
		return nil
	}
	return &g.Version
}

func (g *Generation) digestText() string {
	if g.Number == 0 {
		return ""
	}
	return g.Digest.String()
}

func textOrNil(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
