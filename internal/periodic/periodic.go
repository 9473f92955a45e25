// Package periodic runs jobs: one pass each, again and again, until told to stop. A pass must be safe to run on several
// gateways at once, and twice in one process, since a reload starts the new jobs before it stops the old.
package periodic

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// Job is one pass and how often it is due.
type Job struct {
	Name  string
	Every time.Duration
	Run   func(ctx context.Context) (changed int, err error)
}

const passTimeout = time.Minute

// Run starts every job and returns when ctx is done and the passes under way have ended. Each job makes its first pass
// at once. A failed pass is logged and tried again at the next tick; a pass that changed something is logged too.
func Run(ctx context.Context, logger *slog.Logger, jobs []Job) {
	var wg sync.WaitGroup
	for _, job := range jobs {
		wg.Go(func() { loop(ctx, logger.With("job", job.Name), job) })
	}
	wg.Wait()
}

func loop(ctx context.Context, logger *slog.Logger, job Job) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			pass(ctx, logger, job)
			timer.Reset(jittered(job.Every))
		}
	}
}

func pass(ctx context.Context, logger *slog.Logger, job Job) {
	passCtx, cancel := context.WithTimeout(ctx, passTimeout)
	defer cancel()
	changed, err := job.Run(passCtx)
	switch {
	case ctx.Err() != nil: // told to stop: whatever the pass says, it was interrupted
	case err != nil:
		logger.Error("job failed", "error", err)
	case changed > 0:
		logger.Info("job done", "changed", changed)
	}
}

// jittered spreads gateways that started together: up to a tenth later.
func jittered(every time.Duration) time.Duration {
	return every + rand.N(every/10+1) //nolint:gosec // not a secret
}
