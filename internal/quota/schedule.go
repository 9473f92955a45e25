package quota

import (
	"math/rand/v2"
	"time"
)

// How often ChatGPT is asked: nobody documents that it may be, so seldom, and seldomer when it does not want to.
const (
	soonest      = 5 * time.Minute
	ordinary     = 15 * time.Minute
	forcedGap    = time.Minute      // between two questions, even if an admin wants to know now
	afterReset   = 30 * time.Second // a window that was reset is worth a look
	longestWait  = 24 * time.Hour   // whatever Retry-After says
	faultCap     = time.Hour
	refusalCap   = 6 * time.Hour
	leaseSeconds = 60 // longer than a question takes; a gateway that died with one is waited for so long
)

// interval is when to ask again after a good answer: the sooner, the closer to a limit, and soon after a reset.
func interval(s *Snapshot) time.Duration {
	worst := 0
	next := time.Time{}
	for _, w := range []Window{s.Short, s.Long} {
		if w.UsedPercent != nil {
			worst = max(worst, *w.UsedPercent)
		}
		if w.ResetsAt.After(s.FetchedAt) && (next.IsZero() || w.ResetsAt.Before(next)) {
			next = w.ResetsAt
		}
	}
	wait := ordinary
	switch {
	case worst >= 90, s.LimitReached(s.FetchedAt):
		wait = soonest
	case worst >= 70:
		wait = 10 * time.Minute
	}
	if reset := next.Sub(s.FetchedAt) + afterReset; !next.IsZero() && reset < wait {
		wait = max(soonest, reset)
	}
	return wait
}

// backOff is when to ask again after a number of failures in a row, this one included.
func backOff(f *Failure, failures int) time.Duration {
	wait, most := soonest, faultCap
	if f.refusal() {
		wait, most = ordinary, refusalCap
	}
	if f.Code == CodeNoTokens {
		return refusalCap // the next login is asked about at once
	}
	for range min(failures, 20) - 1 {
		wait = min(wait*2, most)
	}
	return max(wait, f.retryAfter)
}

// hold is how long even an admin has to wait after a question.
func hold(f *Failure) time.Duration {
	if f == nil {
		return forcedGap
	}
	return max(forcedGap, f.retryAfter)
}

// jittered spreads gateways that know no better: up to a tenth later.
func jittered(wait time.Duration) time.Duration {
	return wait + rand.N(wait/10+1) //nolint:gosec // not a secret
}
