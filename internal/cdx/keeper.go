package cdx

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/cdxgate/cdxgate/internal/cdx/watch"
)

// pullEvery is how often the gateway is asked while Codex runs, so that Codex finds what another machine renewed before
// it would renew the same login itself: it reads the file again first. Each wait is up to a third longer or shorter.
var pullEvery = 45 * time.Second

// How soon a login that could not be sent up is tried again; twice as late each time.
const (
	firstRetry = 5 * time.Second
	lastRetry  = time.Minute
)

// keeper looks after the login while Codex runs: what Codex renews goes up within seconds, what the fleet renewed comes
// down. It prints nothing, since the terminal is Codex's.
type keeper struct {
	s       *session // its own: the session of the run waits for Codex
	before  login    // the last one that was dealt with
	sent    bool     // it went up, and the fleet has it
	notices []notice // about what was sent up
	cancel  context.CancelFunc
	abandon context.CancelFunc // of what is on its way up, which goes on when Codex has ended
	done    chan struct{}
}

// keepUp starts to look after the login that s has just dealt with.
func (s *session) keepUp(ctx context.Context) *keeper {
	own := *s
	sending, abandon := context.WithCancel(ctx)
	ctx, cancel := context.WithCancel(ctx)
	k := &keeper{s: &own, before: s.login, cancel: cancel, abandon: abandon, done: make(chan struct{})}
	go k.run(ctx, sending, watch.Watch(ctx, s.home.authPath())) // watched before Codex starts, so that nothing is missed
	return k
}

// end stops, as soon as what is on its way up has arrived, or ctx ends. The members are for the caller from then on; what
// the keeper sent up, s does not send again.
func (k *keeper) end(ctx context.Context, s *session) {
	defer k.abandon()
	defer context.AfterFunc(ctx, k.abandon)()
	k.cancel()
	<-k.done
	s.hint, s.stored = k.s.hint, k.s.stored
}

func (k *keeper) run(ctx, sending context.Context, changes <-chan struct{}) {
	defer close(k.done)
	pull := time.NewTimer(aroundPullEvery())
	defer pull.Stop()
	var retry <-chan time.Time
	pause := firstRetry
	for {
		select {
		case <-ctx.Done():
			return
		case <-pull.C:
			k.pull(ctx)
			pull.Reset(aroundPullEvery())
			continue
		case <-changes:
		case <-retry:
		}
		if ctx.Err() != nil {
			return // Codex has ended: the run sends up what is left, and says so
		}
		if retry = nil; k.push(sending) {
			pause = firstRetry
			continue
		}
		retry = time.After(pause)
		pause = min(2*pause, lastRetry)
	}
}

// push sends up what Codex renewed. It is false when that has to be tried again.
func (k *keeper) push(ctx context.Context) bool {
	now, err := readLogin(k.s.home.authPath())
	if err != nil || !now.exists() || now.same(k.before) {
		return true
	}
	k.s.notices, k.s.offline = nil, nil
	// Once begun it is finished: whether a login arrived must not hang on when Codex ends.
	err = k.s.push(ctx, k.before)
	if _, refused := errors.AsType[*refusal](err); refused {
		return true // time does not heal this; the end of the run tries once more, and tells
	}
	if err != nil || !k.s.asked() {
		return false
	}
	k.before, k.sent = k.s.login, k.sent || k.s.result == resultSentUp
	k.notices = append(k.notices, k.s.notices...)
	return true
}

// pull brings what the fleet has newer. After a logout inside Codex there is nothing to bring.
func (k *keeper) pull(ctx context.Context) {
	now, err := readLogin(k.s.home.authPath())
	if err != nil || !now.exists() {
		return
	}
	k.s.offline = nil
	if err := k.s.pull(ctx); err == nil && k.s.asked() {
		k.before = k.s.login
	}
}

func aroundPullEvery() time.Duration {
	third := pullEvery / 3
	return pullEvery - third + rand.N(2*third+1) //nolint:gosec // spreads machines over time, no secret
}
