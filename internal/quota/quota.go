// Package quota keeps what ChatGPT says about the rate limits of each account: it asks now and then, with the login that
// the fleet has, and takes what hosts have read in the meantime. The last good answer and the last failure are kept apart;
// neither says anything about whether a login is good.
//
// Which gateway asks is decided in the database: see QuotaClaim.
package quota

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/seal"
)

// DefaultURL is ChatGPT.
const DefaultURL = "https://chatgpt.com/backend-api"

// ErrOff is a question to ChatGPT where the operator does not want any.
var ErrOff = errs.New(errs.Conflict, "quota_off", "The gateway does not ask ChatGPT: its option chatgpt_url is off")

// Config of a Service.
type Config struct {
	// URL is ChatGPT's, or what stands in for it, without a trailing slash. "": nobody is asked.
	URL string
	// Login returns what an account's login shows ChatGPT, and whose it is: an empty token when it has none of ChatGPT's.
	Login   func(ctx context.Context, accountID int64) (token seal.Secret, chatgptAccount string, err error)
	Timeout time.Duration    // of a question. Default: 10 s
	Now     func() time.Time // Default: time.Now
	Logger  *slog.Logger     // Default: nothing is logged
}

// Service keeps the quota of the accounts of one database. It is safe for concurrent use, on any number of gateways.
type Service struct {
	store  *db.Store
	cfg    Config
	client *http.Client
}

// New makes a service.
func New(store *db.Store, cfg Config) *Service {
	if cfg.Timeout == 0 {
		cfg.Timeout = askTimeout
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Service{store: store, cfg: cfg, client: newClient()}
}

// Known is what is known about an account.
type Known struct {
	On             bool      // the gateway asks ChatGPT
	Snapshot       *Snapshot // the last good answer; nil: there is none about the present login
	Baseline       Baseline  // of the day, UTC
	Failure        *Failure  // of the last question; nil: it was answered, or nobody has asked
	CheckedAt      time.Time // when the last question was asked
	NextEligibleAt time.Time // when the next is due; zero: nobody will ask
}

// Read returns what is known about an account. It asks nobody and changes nothing.
func (s *Service) Read(ctx context.Context, accountID int64) (*Known, error) {
	row, err := s.store.QuotaRead(ctx, db.QuotaReadParams{AccountID: accountID, Day: s.cfg.Now().UTC().Truncate(day)})
	if err != nil {
		return nil, fmt.Errorf("reading the quota of an account: %w", err)
	}
	k := &Known{On: s.cfg.URL != "", CheckedAt: timeOf(row.AskedAt), Snapshot: snapshotOf(&row)}
	if k.On && row.Generation > 0 {
		k.NextEligibleAt = timeOf(row.NextEligibleAt)
	}
	if row.BaselinePercent != nil {
		k.Baseline = Baseline{At: row.BaselineAt.UTC(), UsedPercent: intOf(row.BaselinePercent), ResetsAt: timeOf(row.BaselineResetsAt)}
	}
	switch {
	case row.Generation == 0:
		k.Failure = &Failure{Code: CodeNoLogin, Text: "the gateway has no login to ask with"}
	case row.ErrorCode != nil && k.On:
		k.Failure = &Failure{Code: *row.ErrorCode, Text: *row.ErrorText, At: timeOf(row.ErrorAt)}
		if row.ErrorStatus != nil {
			k.Failure.Status = int(*row.ErrorStatus)
		}
	}
	if k.Failure != nil && (k.Failure.Code == CodeNoLogin || k.Failure.Code == CodeNoTokens) {
		k.Snapshot, k.Baseline = nil, Baseline{} // it was about another login
	}
	return k, nil
}

// Poll asks about every account that is due, unless another gateway does. It reports how many have begun or ceased to fail:
// a question that is answered like the one before is no news, and one that is not is no fault of the job's. One pass.
func (s *Service) Poll(ctx context.Context) (changed int, err error) {
	if s.cfg.URL == "" {
		return 0, nil
	}
	due, err := s.store.QuotaDue(ctx, aboutLogin)
	if err != nil {
		return 0, fmt.Errorf("looking for accounts to ask about: %w", err)
	}
	for _, accountID := range due {
		outcome, err := s.question(ctx, accountID, asker{by: audit.Gateway})
		if err != nil {
			return changed, err
		}
		if outcome.news {
			changed++
		}
	}
	return changed, nil
}

// Refresh asks about an account now, although it is not due, and waits for the answer. It does not when somebody asked within
// the last minute or is asking, when ChatGPT said to wait, or without a login: asked is false then. What is known
// afterwards is returned, failure or not.
//
// Errors: ErrOff.
func (s *Service) Refresh(ctx context.Context, accountID int64, by audit.Actor) (known *Known, asked bool, err error) {
	if s.cfg.URL == "" {
		return nil, false, ErrOff
	}
	outcome, err := s.question(ctx, accountID, asker{by: by, forced: true})
	if err != nil {
		return nil, false, err
	}
	known, err = s.Read(ctx, accountID)
	return known, outcome.asked, err
}

// asker is who wants to know.
type asker struct {
	by     audit.Actor
	forced bool
}

// outcome is what became of a question.
type outcome struct {
	asked bool
	news  bool // it went otherwise than the one before
}

// question asks about one account, if it is the caller's to ask. No transaction is open meanwhile: whoever claims is the only
// one until it is done, or has had the time for it.
func (s *Service) question(ctx context.Context, accountID int64, who asker) (outcome, error) {
	if err := s.store.QuotaStateCreate(ctx, accountID); err != nil {
		return outcome{}, fmt.Errorf("preparing a question about an account: %w", err)
	}
	claim, err := s.store.QuotaClaim(ctx, db.QuotaClaimParams{
		AccountID: accountID, LeaseSeconds: leaseSeconds, Forced: who.forced, AboutLogin: aboutLogin,
	})
	switch {
	case db.IsNoRows(err):
		return outcome{}, nil
	case err != nil:
		return outcome{}, fmt.Errorf("claiming a question about an account: %w", err)
	}
	snapshot, failure, err := s.answer(ctx, accountID, claim.AskedAt)
	if err != nil {
		return outcome{}, err
	}
	if failure != nil && failure.Code == CodeUnreachable && ctx.Err() != nil {
		// It was interrupted, which says nothing about ChatGPT. It is asked again when the claim has run out.
		return outcome{asked: true}, fmt.Errorf("asking about an account: %w", ctx.Err())
	}
	// What came back is kept, even if nobody waits for it any more: it may be a Retry-After.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepTimeout)
	defer cancel()
	news, err := s.keep(ctx, accountID, claim.Attempt, who, &snapshot, failure)
	return outcome{asked: true, news: news}, err
}

const keepTimeout = 5 * time.Second

// answer is ChatGPT's about an account, or why there is none. An error is ours: the question is open.
func (s *Service) answer(ctx context.Context, accountID int64, at time.Time) (Snapshot, *Failure, error) {
	token, chatgptAccount, err := s.cfg.Login(ctx, accountID)
	if refusal, is := errors.AsType[*errs.Error](err); is {
		s.cfg.Logger.Error("the login cannot be asked with", "error", err)
		return Snapshot{}, &Failure{Code: CodeLogin, Text: refusal.Message}, nil
	}
	if err != nil {
		return Snapshot{}, nil, fmt.Errorf("opening the login to ask with: %w", err)
	}
	if len(token) == 0 {
		return Snapshot{}, &Failure{Code: CodeNoTokens, Text: "the login is an API key, which has no quota at ChatGPT"}, nil
	}
	snapshot, failure := s.ask(ctx, token, chatgptAccount, at.UTC())
	return snapshot, failure, nil
}

// keep records what a question came to. It is told in the trail and the log when an admin asked, or when it went otherwise
// than the one before: a failure that goes on is one fact.
func (s *Service) keep(ctx context.Context, accountID, attempt int64, who asker, snapshot *Snapshot, failure *Failure) (news bool, err error) {
	err = s.store.WithTx(ctx, func(q *db.Queries) error {
		before, err := q.QuotaStateHold(ctx, accountID)
		if err != nil {
			return fmt.Errorf("locking the quota of an account: %w", err)
		}
		if before.Attempt != attempt {
			return nil // the claim ran out, and somebody else has asked since
		}
		code := ""
		if before.ErrorCode != nil {
			code = *before.ErrorCode
		}
		if failure == nil {
			news = code != "" && code != CodeNoTokens
			err = succeed(ctx, q, accountID, attempt, snapshot)
		} else {
			news = code != failure.Code && failure.Code != CodeNoTokens
			err = fail(ctx, q, accountID, attempt, int(before.Failures)+1, failure)
		}
		if err != nil || !news && !who.forced {
			return err
		}
		return audit.Record(ctx, q, audit.Entry{At: s.cfg.Now().UTC(), Actor: who.by, Action: audit.ActionChatGPTUsage, Details: details(snapshot, failure)})
	})
	if err == nil && news {
		s.tell(failure)
	}
	return news, err
}

func succeed(ctx context.Context, q *db.Queries, accountID, attempt int64, snapshot *Snapshot) error {
	id, err := q.QuotaSnapshotInsert(ctx, rowOf(accountID, snapshot))
	if err != nil {
		return fmt.Errorf("recording the quota of an account: %w", err)
	}
	err = q.QuotaSucceed(ctx, db.QuotaSucceedParams{
		AccountID: accountID, Attempt: attempt, SnapshotID: id,
		WaitSeconds: jittered(interval(snapshot)).Seconds(), HoldSeconds: hold(nil).Seconds(),
	})
	if err != nil {
		return fmt.Errorf("ending a question about an account: %w", err)
	}
	return nil
}

func fail(ctx context.Context, q *db.Queries, accountID, attempt int64, failures int, failure *Failure) error {
	params := db.QuotaFailParams{
		AccountID: accountID, Attempt: attempt, ErrorCode: failure.Code, ErrorText: failure.Text,
		WaitSeconds: jittered(backOff(failure, failures)).Seconds(), HoldSeconds: hold(failure).Seconds(),
	}
	if failure.Status > 0 {
		params.ErrorStatus = new(int32(failure.Status)) //nolint:gosec // three digits
	}
	if err := q.QuotaFail(ctx, params); err != nil {
		return fmt.Errorf("ending a question about an account: %w", err)
	}
	return nil
}

func details(snapshot *Snapshot, failure *Failure) audit.Details {
	if failure == nil {
		return audit.Details{"status": "ok", "plan_type": snapshot.Plan, "cached": false}
	}
	details := audit.Details{"status": "error", "reason": failure.Code, "cached": false}
	if failure.Status > 0 {
		details["http_status"] = failure.Status
	}
	return details
}

func (s *Service) tell(failure *Failure) {
	if failure == nil {
		s.cfg.Logger.Info("ChatGPT answers about the quota again")
		return
	}
	s.cfg.Logger.Warn("ChatGPT does not answer about the quota; what it said before stays", "code", failure.Code, "reason", failure.Text)
}
