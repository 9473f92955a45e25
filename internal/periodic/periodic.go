// Package periodic runs jobs: one pass each, again and again, until told to stop. What the gateways of a database have to do
// together is a row of the table job, which one of them takes at a time; what each has to do by itself it does by itself.
// A pass must be safe to run twice: whoever ran it may have died right after it.
package periodic

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"maps"
	mathrand "math/rand/v2"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/cdxgate/cdxgate/db"
)

// Job is one pass over a batch, and how often it is due. A pass that changed something is followed by another at once, so
// that a batch's size bounds a transaction and not what can be done. An error that says when to come back ([errs.Error])
// is obeyed.
type Job struct {
	Name  string
	Every time.Duration
	Run   func(ctx context.Context) (changed int, err error)
	Local bool // each gateway runs it, and each configuration of one while a reload goes on; no row shows it
}

const (
	passTimeout = time.Minute // for all the passes that are due at once
	maxPasses   = 1000

	defaultLease = 30 * time.Second
	defaultTick  = time.Second
)

// Scheduler runs jobs. Any number of them may share a database, in one process or in many.
type Scheduler struct {
	store       *db.Store
	logger      *slog.Logger
	jobs        []Job
	owner       string        // of leases; no other scheduler's
	lease, tick time.Duration // how long a job is taken for; how often one looks for what is due

	mu      sync.Mutex
	localOK map[string]time.Time // :: local job → when its last success ended
}

// New makes a scheduler for jobs, whose names must differ.
func New(store *db.Store, logger *slog.Logger, jobs []Job) *Scheduler {
	machine, err := os.Hostname()
	if err != nil {
		machine = "unknown"
	}
	return &Scheduler{
		store: store, logger: logger, jobs: jobs, owner: fmt.Sprintf("%.80s %d %s", machine, os.Getpid(), rand.Text()[:6]),
		lease: defaultLease, tick: defaultTick, localOK: map[string]time.Time{},
	}
}

// Run runs the jobs until ctx is done, and returns when the passes under way have ended and their jobs are given up. A local
// job makes its first pass at once, the others when they are due. A failed pass is logged and made again, at first soon
// and then ever later; passes that changed something are logged, too.
func (s *Scheduler) Run(ctx context.Context) {
	var loops sync.WaitGroup
	shared := map[string]Job{}
	for _, job := range s.jobs {
		if job.Local {
			loops.Go(func() { s.runLocal(ctx, job) })
		} else {
			shared[job.Name] = job
		}
	}
	if len(shared) > 0 {
		loops.Go(func() { s.runShared(ctx, shared) })
	}
	loops.Wait()
}

// LastOK says when each job of this scheduler last succeeded, whoever ran it; those that never did are not among them.
func (s *Scheduler) LastOK(ctx context.Context) (map[string]time.Time, error) {
	rows, err := s.store.JobList(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing jobs: %w", err)
	}
	known := map[string]time.Time{}
	for _, row := range rows {
		if row.LastOk != nil {
			known[row.Name] = *row.LastOk
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	all := maps.Clone(s.localOK)
	for _, job := range s.jobs {
		if at, ok := known[job.Name]; ok && !job.Local {
			all[job.Name] = at
		}
	}
	return all, nil
}

func (s *Scheduler) runLocal(ctx context.Context, job Job) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			if pass(ctx, s.logger.With("job", job.Name), job) == nil {
				s.mu.Lock()
				s.localOK[job.Name] = time.Now()
				s.mu.Unlock()
			}
			timer.Reset(jittered(job.Every))
		}
	}
}

// pass makes passes until one changes nothing and returns the fault that ended them, which it has logged. When ctx is done
// it returns why: whatever the pass says then, it was interrupted.
func pass(ctx context.Context, logger *slog.Logger, job Job) error {
	passCtx, cancel := context.WithTimeout(ctx, passTimeout)
	defer cancel()
	total := 0
	for range maxPasses {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		changed, err := guarded(passCtx, job)
		total += changed
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil && passCtx.Err() != nil && total > 0:
			logger.Info("job goes on at the next tick", "changed", total)
			return nil
		case err != nil:
			logger.Error("job failed", "error", err, "changed", total)
			return err
		case changed == 0 && total > 0:
			logger.Info("job done", "changed", total)
			return nil
		case changed == 0:
			return nil
		}
	}
	logger.Info("job goes on at the next tick", "changed", total)
	return nil
}

// guarded makes one pass. One that panics has failed: the process would end with it, and so would each gateway that takes the
// job over.
func guarded(ctx context.Context, job Job) (changed int, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return job.Run(ctx)
}

// jittered spreads gateways that started together: up to a tenth later.
func jittered(every time.Duration) time.Duration {
	return every + mathrand.N(every/10+1) //nolint:gosec // not a secret
}
