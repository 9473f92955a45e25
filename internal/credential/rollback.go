package credential

import (
	"context"
	"fmt"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/api/jsondoc"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/errs"
)

// Refusals of a rollback.
var (
	// ErrRollbackCurrent is a rollback to what is canonical already.
	ErrRollbackCurrent = errs.New(errs.Conflict, "generation_current", "This generation is the fleet's login already")
	// ErrMovedOn is a decision about a login that is not the one the admin saw; Details name the generation that is.
	ErrMovedOn = errs.New(errs.Conflict, "login_moved_on", "The fleet's login has changed since you looked; look again")
	// ErrRisky is a decision that has consequences and was not confirmed; Details list the warnings.
	ErrRisky = errs.New(errs.Conflict, "confirmation_required", "This has consequences; confirm that you accept them")
)

// Warning is a consequence that somebody should know before he confirms.
type Warning string

// The warnings.
const (
	WarnExpired      Warning = "access_expired"   // its access token has expired: hosts have to refresh it at once
	WarnOtherLineage Warning = "other_lineage"    // it is another login, whose refresh token somebody may have spent since
	WarnOtherAccount Warning = "other_account"    // it belongs to another ChatGPT account than the current login
	WarnNoRefresh    Warning = "no_refresh_token" // nobody can refresh it: it ends with its access token
	WarnMovedOn      Warning = "login_moved_on"   // the fleet's login has changed since the proposal was made
)

// Rollback is what a rollback comes to.
type Rollback struct {
	From       Generation // canonical now
	To         Generation // whose access token is delivered again
	WorksUntil time.Time  // when that expires; zero: it does not say
	Warnings   []Warning  // in the order of the constants
}

// PlanRollback says what a rollback to a generation would come to, and changes nothing.
//
// Errors: ErrNoGeneration, ErrRollbackCurrent, ErrNone.
func (s *Service) PlanRollback(ctx context.Context, accountID, number int64) (*Rollback, error) {
	before, to, newest, err := rollbackRows(ctx, s.store.Queries, accountID, number)
	if err != nil {
		return nil, err
	}
	return planRollback(before, to, newest, s.now()), nil
}

// RollbackOptions are the terms of a rollback.
type RollbackOptions struct {
	Seen    int64 // the generation that was canonical when the admin looked; 0: whatever is
	Confirm bool  // he accepts the warnings
}

// RollBack delivers the access token of an earlier generation again, as a new generation. It never brings back a refresh
// token: the document carries the newest one of the earlier generation's lineage, since every other is spent. Its
// last_refresh is just after that of the current one, or hosts would take what they have for newer.
//
// Errors: ErrNoGeneration, ErrRollbackCurrent, ErrNone, ErrMovedOn, ErrRisky, ErrUnreadable, ErrContended.
func (s *Service) RollBack(ctx context.Context, accountID, number int64, opts RollbackOptions, by audit.Actor) (*Outcome, error) {
	return s.untilSettled(ctx, func(q *db.Queries, outcome *Outcome) error {
		before, to, newest, err := rollbackRows(ctx, q, accountID, number)
		if err != nil {
			return err
		}
		plan := planRollback(before, to, newest, s.now())
		switch {
		case opts.Seen != 0 && opts.Seen != before.Number:
			return ErrMovedOn.With("generation", before.Number)
		case len(plan.Warnings) > 0 && !opts.Confirm:
			return ErrRisky.With("warnings", plan.Warnings)
		}
		upload, err := s.revived(before, to, newest)
		if err != nil {
			return err
		}
		next := newGeneration{upload: upload, source: by.Kind, after: before, lineage: to.Lineage, rolledBackTo: &to.Number}
		if _, outcome.Current, err = s.advance(ctx, q, accountID, next); err != nil {
			return err
		}
		outcome.Verdict = Updated
		return audit.Record(ctx, q, audit.Entry{At: s.now(), Actor: by, Action: audit.ActionCredentialRollback, Details: audit.Details{
			"generation": outcome.Current.Number, "from": before.Number, "to": to.Number, "warnings": plan.Warnings,
			"before": audit.Details{"digest": plan.From.digestText()}, "after": audit.Details{"digest": outcome.Current.digestText()},
		}})
	})
}

// rollbackRows reads what is canonical, what is to be delivered again, and the newest of its lineage; nil: none of that
// lineage has a refresh token.
func rollbackRows(ctx context.Context, q *db.Queries, accountID, number int64) (before, to, newest *db.Generation, err error) {
	before, _, err = currentOf(ctx, q, accountID)
	switch {
	case err != nil:
		return nil, nil, nil, err
	case before == nil:
		return nil, nil, nil, ErrNone
	case before.Number == number:
		return nil, nil, nil, ErrRollbackCurrent
	}
	target, err := q.GenerationByNumber(ctx, db.GenerationByNumberParams{AccountID: accountID, Number: number})
	switch {
	case db.IsNoRows(err):
		return nil, nil, nil, ErrNoGeneration.With("generation", number)
	case err != nil:
		return nil, nil, nil, fmt.Errorf("reading generation %d: %w", number, err)
	}
	last, err := q.GenerationNewestOfLineage(ctx, db.GenerationNewestOfLineageParams{AccountID: accountID, Lineage: target.Lineage})
	switch {
	case db.IsNoRows(err):
		return before, &target, nil, nil
	case err != nil:
		return nil, nil, nil, fmt.Errorf("reading the newest of a lineage: %w", err)
	}
	return before, &target, &last, nil
}

func planRollback(before, to, newest *db.Generation, now time.Time) *Rollback {
	plan := &Rollback{From: fromRow(before), To: fromRow(to)}
	plan.WorksUntil = plan.To.AccessExpiresAt
	warn := func(when bool, w Warning) {
		if when {
			plan.Warnings = append(plan.Warnings, w)
		}
	}
	warn(!plan.WorksUntil.IsZero() && !plan.WorksUntil.After(now), WarnExpired)
	warn(before.Lineage != to.Lineage, WarnOtherLineage)
	warn(otherAccount(&plan.From.Version, &plan.To.Version), WarnOtherAccount)
	warn(to.AccessSHA256 != nil && (newest == nil || to.RefreshSHA256 == nil), WarnNoRefresh)
	return plan
}

// revived is the document of a generation with the newest refresh token of its lineage.
func (s *Service) revived(before, to, newest *db.Generation) (*Document, error) {
	auth, err := s.document(to)
	if err != nil {
		return nil, err
	}
	if newest != nil && to.RefreshSHA256 != nil {
		last, err := s.document(newest)
		if err != nil {
			return nil, err
		}
		auth.Object("tokens").Set("refresh_token", last.Object("tokens").Text("refresh_token"))
	}
	return s.refreshed(auth, before)
}

// document opens a generation as what it was read from.
func (s *Service) document(row *db.Generation) (*jsondoc.Object, error) {
	body, err := s.open(row)
	if err != nil {
		return nil, err
	}
	auth, err := Read(body)
	if err != nil {
		return nil, ErrUnreadable.WithCause(err)
	}
	return auth, nil
}

// refreshed is a document of ours that is to take the place of before (nil: of none) on every host: with a last_refresh
// after that of before, and no later than it must be, so that what a host has renewed meanwhile is newer still.
func (s *Service) refreshed(auth *jsondoc.Object, before *db.Generation) (*Document, error) {
	at, known := parseRFC3339(auth.Text("last_refresh"))
	if before != nil && (!known || !at.After(before.LastRefreshAt)) {
		at = before.LastRefreshAt.UTC().Add(time.Microsecond)
		auth.Set("last_refresh", at.Format("2006-01-02T15:04:05.000000Z"))
	}
	upload, err := Canonicalise(auth, Options{Now: at, MinTokenLength: s.cfg.MinTokenLength})
	if err != nil {
		return nil, ErrUnreadable.WithCause(err)
	}
	return upload, nil
}

// Text says a warning in a sentence.
func (w Warning) Text() string { return warningTexts[w] }

var warningTexts = map[Warning]string{
	WarnExpired:      "Its access token has expired: Codex works again only where it can be refreshed.",
	WarnOtherLineage: "It belongs to another login. If its refresh token was spent since, Codex works until the access token expires, and then needs a new login.",
	WarnOtherAccount: "It belongs to another ChatGPT account than the fleet's login of now.",
	WarnNoRefresh:    "It has no refresh token: Codex works until the access token expires, and then needs a new login.",
	WarnMovedOn:      "The fleet's login has changed since this one was brought.",
}
