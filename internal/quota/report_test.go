package quota_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/credential/authtest"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/fleet"
)

// hostRig is a gateway at noon whose hosts report.
type hostRig struct {
	*rig
	now atomic.Pointer[time.Time]
}

func newHostRig(t *testing.T) *hostRig {
	t.Helper()
	r := &hostRig{}
	r.now.Store(&noon)
	r.rig = newRigAt(t, func() time.Time { return *r.now.Load() })
	return r
}

func (r *hostRig) host(t *testing.T, fqdn string) *db.Host {
	t.Helper()
	return &r.Register(t, fqdn).Host
}

// limits are those that a host saw at a moment: so much of a week.
func limits(used int, seen time.Time) json.RawMessage {
	return json.RawMessage(report(fmt.Sprintf(`{"used_percent":%d,"window_minutes":10080,"resets_at":%d}`, used, seen.Add(3*day).Unix())))
}

func (r *hostRig) report(t *testing.T, host *db.Host, used int, seen time.Time) (taken bool) {
	t.Helper()
	taken, err := r.Quota.Report(t.Context(), host, limits(used, seen), seen.Format(time.RFC3339Nano))
	if err != nil {
		t.Errorf("a report of %s: %v", seen, err)
	}
	return taken
}

func TestReport(t *testing.T) {
	t.Parallel()
	r := newHostRig(t)
	a, b := r.host(t, "a.example"), r.host(t, "b.example")
	for _, step := range []struct {
		name  string
		host  *db.Host
		used  int
		seen  time.Duration // from noon
		taken bool
		now   int // percent that are known then
	}{
		{"the first", a, 10, -time.Hour, true, 10},
		{"the same again", a, 10, -time.Hour, false, 10},
		{"older", b, 90, -2 * time.Hour, false, 10},
		{"five minutes newer, almost", b, 90, -55*time.Minute - time.Second, false, 10},
		{"five minutes newer", b, 20, -55 * time.Minute, true, 20},
		{"a day old", a, 90, -25 * time.Hour, false, 20},
		{"of now", a, 30, 0, true, 30},
		{"a clock that is a little fast", b, 40, 30 * time.Second, false, 30},
	} {
		taken := r.report(t, step.host, step.used, noon.Add(step.seen))
		known := r.read(t)
		if taken != step.taken || *known.Snapshot.Long.UsedPercent != step.now || !known.Snapshot.FromHost || known.Snapshot.FetchedAt.After(noon) {
			t.Errorf("%s: got taken %v, then %+v", step.name, taken, known.Snapshot)
		}
	}
	if s := r.read(t).Snapshot; s.HostFQDN != "a.example" || *s.HostID != a.ID || s.Plan != "plus" || r.read(t).Wire().Source != "host" {
		t.Errorf("got %+v", s)
	}
	// A clock that is a little fast is taken as of now.
	later := noon.Add(10 * time.Minute)
	r.now.Store(&later)
	if taken := r.report(t, b, 50, later.Add(30*time.Second)); !taken || !r.read(t).Snapshot.FetchedAt.Equal(later) {
		t.Errorf("got taken %v, %+v", taken, r.read(t).Snapshot)
	}
	if n := r.Int(t, "SELECT count(*) FROM quota_snapshot"); n != 4 {
		t.Errorf("got %d rows, want those that were taken", n)
	}
}

func TestReportsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	r := newHostRig(t)
	host := r.host(t, "a.example")
	for name, c := range map[string]struct {
		limits json.RawMessage
		seen   string
		field  string
	}{
		"in the future":     {limits(10, noon), noon.Add(61 * time.Second).Format(time.RFC3339), "usage.rate_limits_at"},
		"in the year 9999":  {limits(10, noon), "9999-12-31T23:59:59Z", "usage.rate_limits_at"},
		"no time":           {limits(10, noon), "noon", "usage.rate_limits_at"},
		"empty":             {limits(10, noon), "", "usage.rate_limits_at"},
		"a date":            {limits(10, noon), "2026-11-25", "usage.rate_limits_at"},
		"no limits":         {json.RawMessage(`{}`), noon.Format(time.RFC3339), "usage.rate_limits"},
		"below nothing":     {limits(-1, noon), noon.Format(time.RFC3339), "usage.rate_limits"},
		"of another window": {limits(10, noon.Add(10*day)), noon.Format(time.RFC3339), "usage.rate_limits"},
		"over when seen":    {limits(10, noon.Add(-4*day)), noon.Format(time.RFC3339), "usage.rate_limits"},
		"no JSON":           {json.RawMessage(`{`), noon.Format(time.RFC3339), "usage.rate_limits"},
	} {
		taken, err := r.Quota.Report(t.Context(), host, c.limits, c.seen)
		if refusal := errs.Of(err); taken || refusal == nil || refusal.Kind != errs.Invalid || len(refusal.Fields[c.field]) != 1 {
			t.Errorf("%s: got %v, %v; want a refusal of %s", name, taken, err, c.field)
		}
	}
	if n := r.Int(t, "SELECT count(*) FROM quota_snapshot"); n != 0 {
		t.Errorf("got %d rows", n)
	}
	r.Exec(t, "UPDATE host SET status = 'disabled'")
	if taken, err := r.Quota.Report(t.Context(), host, limits(10, noon), noon.Format(time.RFC3339)); taken || !errors.Is(err, fleet.ErrHostDisabled) {
		t.Errorf("got %v, %v of a host that was suspended meanwhile", taken, err)
	}
}

// No host replaces what ChatGPT itself says while it is being asked in its turn, and ChatGPT's next word replaces a host's.
func TestReportsBesideChatGPT(t *testing.T) {
	t.Parallel()
	r := newHostRig(t)
	host := r.host(t, "a.example")
	r.poll(t)
	r.Exec(t, "UPDATE quota_snapshot SET fetched_at = $1", noon.Add(-time.Hour))
	for _, step := range []struct {
		seen  time.Duration
		taken bool
	}{{-2 * time.Hour, false}, {-time.Hour, false}, {-50 * time.Minute, false}, {-40*time.Minute - time.Second, false}, {-40 * time.Minute, true}} {
		if taken := r.report(t, host, 100, noon.Add(step.seen)); taken != step.taken {
			t.Errorf("%s: got taken %v", step.seen, taken)
		}
	}
	r.due(t)
	r.poll(t)
	if s := r.read(t).Snapshot; s.FromHost || *s.Long.UsedPercent != 86 {
		t.Errorf("got %+v after ChatGPT was asked again", s)
	}
	if next, _ := r.waits(t); next < 9*60 {
		t.Errorf("got the next question in %d s", next)
	}
}

// What was seen under a login of another ChatGPT account says nothing about the one that is canonical now.
func TestReportsAboutTheLoginBefore(t *testing.T) {
	t.Parallel()
	r := newHostRig(t)
	host := r.host(t, "a.example")
	if !r.report(t, host, 10, noon) { // the rig's login, which is the first: what was seen before the upload counts
		t.Error("got a report refused about the only login there was")
	}
	later := noon.Add(time.Hour)
	r.now.Store(&later)
	r.Upload(t, authtest.New(authtest.Options{AccountID: "acct-other", SessionID: "another"}))
	for _, step := range []struct {
		seen  time.Time
		taken bool
	}{{later.Add(-time.Minute), false}, {later, true}} {
		if taken := r.report(t, host, 50, step.seen); taken != step.taken {
			t.Errorf("seen %s: got taken %v, want %v", step.seen, taken, step.taken)
		}
	}
	// A refresh is no other account.
	latest := later.Add(time.Hour)
	r.now.Store(&latest)
	r.Upload(t, authtest.New(authtest.Options{AccountID: "acct-other", SessionID: "a third"}))
	if !r.report(t, host, 60, latest.Add(-30*time.Minute)) {
		t.Error("got a report refused that was seen before a refresh")
	}
}

// However many hosts say at once what they have seen, one is taken: their reports fill no disk.
func TestReportsThatRace(t *testing.T) {
	t.Parallel()
	r := newHostRig(t)
	var hosts []*db.Host
	for i := range 8 {
		hosts = append(hosts, r.host(t, fmt.Sprintf("h%d.example", i)))
	}
	for round := range 5 {
		var taken atomic.Int64
		var wg sync.WaitGroup
		for i, host := range hosts {
			wg.Go(func() {
				seen := noon.Add(time.Duration(round-10)*10*time.Minute + time.Duration(i)*time.Second)
				if r.report(t, host, 10+i, seen) {
					taken.Add(1)
				}
			})
		}
		wg.Wait()
		if taken.Load() != 1 {
			t.Errorf("round %d: got %d taken, want 1", round, taken.Load())
		}
	}
	if n := r.Int(t, "SELECT count(*) FROM quota_snapshot"); n != 5 {
		t.Errorf("got %d rows, want 5", n)
	}
}

// A removed host takes nothing with it that is known.
func TestTheHostOfASnapshotIsRemoved(t *testing.T) {
	t.Parallel()
	r := newHostRig(t)
	host := r.host(t, "a.example")
	r.report(t, host, 10, noon)
	r.Exec(t, "DELETE FROM host WHERE id = $1", host.ID)
	if s := r.read(t).Snapshot; s == nil || !s.FromHost || s.HostID != nil || s.HostFQDN != "" {
		t.Errorf("got %+v", s)
	}
}
