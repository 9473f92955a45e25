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

// Job is one pass over a batch, and how often it is due. A pass that changed something is followed by another at once, so
// that a batch's size bounds a transaction and not what can be done.
type Job struct {
	Name  string
	Every time.Duration
	Run   func(ctx context.Context) (changed int, err error)
}

const (
	passTimeout = time.Minute // for all the passes that are due at once
	maxPasses   = 1000
)

// Run starts every job and returns when ctx is done and the passes under way have ended. Each job makes its first pass
// at once. A failed pass is logged and tried again at the next tick; passes that changed something are logged too.
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
	total := 0
	for range maxPasses {
		changed, err := job.Run(passCtx)
		total += changed
		switch {
		case ctx.Err() != nil: // told to stop: whatever the pass says, it was interrupted
			return
		case err != nil && passCtx.Err() != nil && total > 0:
			logger.Info("job goes on at the next tick", "changed", total)
			return
		case err != nil:
			logger.Error("job failed", "error", err, "changed", total)
			return
		case changed == 0 && total > 0:
			logger.Info("job done", "changed", total)
			return
		case changed == 0:
			return
		}
	}
	logger.Info("job goes on at the next tick", "changed", total)
}

// jittered spreads gateways that started together: up to a tenth later.
func jittered(every time.Duration) time.Duration {
	return every + rand.N(every/10+1) //nolint:gosec // not a secret
}
