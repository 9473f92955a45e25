package periodic

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/errs"
)

// errLost ends the passes of a job that another gateway may run by now.
var errLost = errors.New("the job could not be kept: another gateway may run it by now")

const (
	firstRetry = time.Minute
	mostRetry  = 10 * time.Minute // of jobs that come more often
	mostAdvice = 24 * time.Hour
	maxError   = 1024 // bytes of an error that are kept
)

// claim is a job that this scheduler has taken, until the moment at which the database may give it to another, by a clock
// that was read before the database read its own: ours runs out first.
type claim struct {
	Job
	runs     int64
	failures int
	until    time.Time
}

// runShared takes jobs that are due, and runs each beside the others.
func (s *Scheduler) runShared(ctx context.Context, jobs map[string]Job) {
	var running sync.WaitGroup
	defer running.Wait()
	ticker := time.NewTicker(jittered(s.tick))
	defer ticker.Stop()
	registered, failing := false, false
	for ctx.Err() == nil {
		err := error(nil)
		if !registered {
			err = s.register(ctx, jobs)
		}
		// Who stops gives jobs up, which are due at once then: it must not take them again.
		for err == nil && ctx.Err() == nil {
			var taken *claim
			if taken, err = s.take(ctx, jobs); taken == nil {
				break
			}
			running.Go(func() { s.runClaim(ctx, taken) })
		}
		registered = err == nil // after an outage it may be a database of before, which knows other jobs
		// Said once, not every second of an outage.
		if (err != nil) != failing && ctx.Err() == nil {
			if failing = err != nil; failing {
				s.logger.Error("jobs cannot be taken from the database", "error", err)
			} else {
				s.logger.Info("jobs are taken from the database again")
			}
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

// register makes the jobs known, and forgets those that no gateway has had for long.
func (s *Scheduler) register(ctx context.Context, jobs map[string]Job) error {
	ctx, cancel := context.WithTimeout(ctx, s.lease)
	defer cancel()
	for name, job := range jobs {
		if err := s.store.JobRegister(ctx, db.JobRegisterParams{Name: name, EverySeconds: job.Every.Seconds()}); err != nil {
			return err
		}
	}
	_, err := s.store.JobForget(ctx, slices.Collect(maps.Keys(jobs)))
	return err
}

// take takes a job that is due; nil: there is none.
func (s *Scheduler) take(ctx context.Context, jobs map[string]Job) (*claim, error) {
	// Not ended with ctx: the database may have given us the job already, which nobody would know then.
	asked := time.Now()
	askCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.lease)
	defer cancel()
	row, err := s.store.JobClaim(askCtx, db.JobClaimParams{
		Names: slices.Collect(maps.Keys(jobs)), Owner: s.owner, LeaseSeconds: s.lease.Seconds(),
	})
	if db.IsNoRows(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &claim{Job: jobs[row.Name], runs: row.Runs, failures: int(row.Failures), until: asked.Add(s.lease)}, nil
}

// runClaim runs a job as long as it can be kept, and says what came of it.
func (s *Scheduler) runClaim(ctx context.Context, c *claim) {
	logger := s.logger.With("job", c.Name)
	passCtx, lose := context.WithCancelCause(ctx)
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		s.keep(passCtx, lose, c, logger)
	}()
	err := pass(passCtx, logger, c.Job)
	lose(nil)
	<-kept

	// The job is given up although this gateway stops: nobody should have to wait for its lease to run out.
	endCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.lease)
	defer cancel()
	var ended int64
	var endErr error
	switch {
	case errors.Is(err, errLost):
		logger.Error("job interrupted", "error", err)
		return
	case err != nil && ctx.Err() != nil:
		ended, endErr = s.store.JobRelease(endCtx, db.JobReleaseParams{Name: c.Name, Owner: s.owner, Runs: c.runs})
	default:
		ended, endErr = s.store.JobFinish(endCtx, db.JobFinishParams{
			Name: c.Name, Owner: s.owner, Runs: c.runs, Error: errorText(err), DelaySeconds: delay(c, err).Seconds(),
		})
	}
	switch {
	case endErr != nil: // its lease runs out, and it is run again
		logger.Warn("what came of a job could not be said", "error", endErr)
	case ended == 0:
		logger.Warn("a job took longer than it could be kept", "runs", c.runs)
	}
}

// keep renews a claim until ctx is done, and ends the passes when it cannot be sure of it any more.
func (s *Scheduler) keep(ctx context.Context, lose context.CancelCauseFunc, c *claim, logger *slog.Logger) {
	for {
		timer := time.NewTimer(min(s.lease/3, time.Until(c.until)))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		// Not ended with the pass: a query that is cancelled costs its connection.
		asked := time.Now()
		askCtx, cancel := context.WithDeadline(context.WithoutCancel(ctx), c.until)
		renewed, err := s.store.JobRenew(askCtx, db.JobRenewParams{
			Name: c.Name, Owner: s.owner, Runs: c.runs, LeaseSeconds: s.lease.Seconds(),
		})
		cancel()
		switch {
		case err == nil && renewed == 1:
			c.until = asked.Add(s.lease)
		case err == nil, !time.Now().Before(c.until):
			lose(errLost)
			return
		default:
			logger.Warn("a job could not be kept yet", "error", err)
		}
	}
}

// delay is in how long a job is due again, which was run just now with this outcome.
func delay(c *claim, err error) time.Duration {
	if err == nil {
		return jittered(c.Every)
	}
	most := max(c.Every, mostRetry)
	wait := min(c.Every, firstRetry)
	for range c.failures {
		wait = min(2*wait, most)
	}
	return jittered(max(wait, min(errs.Of(err).Retry, mostAdvice)))
}

// errorText is what is kept of an error; "": there is none.
func errorText(err error) string {
	if err == nil {
		return ""
	}
	text := strings.ReplaceAll(strings.ToValidUTF8(err.Error(), "?"), "\x00", "?")
	if len(text) > maxError {
		text = strings.ToValidUTF8(text[:maxError-len("…")], "") + "…"
	}
	if text == "" {
		return "unknown"
	}
	return text
}
