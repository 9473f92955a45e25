package ratelimit

import (
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
)

func TestFlow(t *testing.T) {
	t.Parallel()
	f := NewFlow(100)
	here, there := netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("203.0.113.2")
	enter := func(from netip.Addr, bytes int64, want error) func() {
		t.Helper()
		leave, err := f.Enter(from, bytes)
		if !errors.Is(err, want) {
			t.Errorf("got %v for %d bytes, want %v", err, bytes, want)
		}
		return leave
	}
	first := enter(here, 60, nil)
	second := enter(here, 40, nil)
	enter(here, 1, ErrLimited)
	enter(netip.AddrFrom16(here.As16()), 1, ErrLimited) // the same address in another spelling
	enter(there, 100, nil)()
	first()
	first() // twice is once
	enter(here, 61, ErrLimited)
	enter(here, 60, nil)()
	second()
	enter(here, 1000, nil)() // alone, however large
	if len(f.inFlight) != 0 {
		t.Errorf("got %v in flight, want nothing remembered", f.inFlight)
	}
}

func TestFlowAtOnce(t *testing.T) {
	t.Parallel()
	f := NewFlow(10)
	var inFlight, most atomic.Int64
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			for range 100 {
				leave, err := f.Enter(netip.Addr{}, 3)
				if err != nil {
					continue
				}
				now := inFlight.Add(3)
				for seen := most.Load(); now > seen && !most.CompareAndSwap(seen, now); seen = most.Load() {
				}
				inFlight.Add(-3)
				leave()
			}
		})
	}
	all.Wait()
	if most.Load() > 10 || most.Load() == 0 || len(f.inFlight) != 0 {
		t.Errorf("got %d at once and %v at the end, want at most 10 and nothing", most.Load(), f.inFlight)
	}
}
