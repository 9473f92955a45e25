package quota_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/quota"
)

// told is a window as a host gets it, in short: 10% of 18000, reset after 360 at 1795608360.
func told(w api.UsageWindow) string {
	text := func(v any) string {
		raw, err := json.Marshal(v)
		if err != nil {
			return err.Error()
		}
		return strings.Trim(string(raw), `"`)
	}
	return fmt.Sprintf("%s%% of %s, reset after %s at %s", text(w.UsedPercent), text(w.LimitSeconds), text(w.ResetAfterSeconds), text(w.ResetAt))
}

const nothingTold = "null% of null, reset after null at null"

// What is not known is null to our client, and a number to clients that end without one; what was reset is not known any more.
func TestWhatHostsAreTold(t *testing.T) {
	t.Parallel()
	short := func(used int, resetsAt time.Time) quota.Window {
		return quota.Window{UsedPercent: &used, Length: 5 * time.Hour, ResetsAt: resetsAt}
	}
	unix := func(d time.Duration) string { return fmt.Sprint(noon.Add(d).Unix()) }
	failed := &quota.Failure{Code: quota.CodeUpstream, Text: "ChatGPT has a fault: HTTP 500", Status: 500, At: noon}
	for name, c := range map[string]struct {
		known        quota.Known
		auth         string // status and windows
		sync         string // likewise; "null": no block
		authW, syncW [2]string
	}{
		"nothing":  {known: quota.Known{}, auth: "disabled", sync: "null", authW: [2]string{"0% of 18000, reset after null at null", "0% of 604800, reset after null at null"}},
		"no login": {known: quota.Known{Failure: &quota.Failure{Code: quota.CodeNoLogin}}, auth: "disabled", sync: "null", authW: [2]string{"0% of 18000, reset after null at null", "0% of 604800, reset after null at null"}},
		"only a failure": {
			known: quota.Known{On: true, Failure: failed}, auth: "error", sync: "null",
			authW: [2]string{"0% of 18000, reset after null at null", "0% of 604800, reset after null at null"},
		},
		"both windows, two minutes ago": {
			known: quota.Known{On: true, Snapshot: &quota.Snapshot{FetchedAt: noon.Add(-2 * time.Minute), Short: short(10, noon.Add(time.Hour)), Long: week(86, noon.Add(day))}},
			auth:  "ok", sync: "ok",
			authW: [2]string{"10% of 18000, reset after 3600 at " + unix(time.Hour), "86% of 604800, reset after 86400 at " + unix(day)},
			syncW: [2]string{"10% of 18000, reset after 3720 at " + unix(time.Hour), "86% of 604800, reset after 86520 at " + unix(day)},
		},
		"a failure since then": {
			known: quota.Known{On: true, Failure: failed, Snapshot: &quota.Snapshot{FetchedAt: noon, Long: week(86, noon.Add(day))}},
			auth:  "ok", sync: "ok",
			authW: [2]string{"0% of 18000, reset after null at null", "86% of 604800, reset after 86400 at " + unix(day)},
			syncW: [2]string{nothingTold, "86% of 604800, reset after 86400 at " + unix(day)},
		},
		"one was reset since": {
			known: quota.Known{Snapshot: &quota.Snapshot{FetchedAt: noon.Add(-time.Minute), Short: short(100, noon), Long: week(86, noon.Add(day))}},
			auth:  "ok", sync: "ok",
			authW: [2]string{"0% of 18000, reset after null at null", "86% of 604800, reset after 86400 at " + unix(day)},
			syncW: [2]string{"null% of 18000, reset after null at null", "86% of 604800, reset after 86460 at " + unix(day)},
		},
		"over by its length": {
			known: quota.Known{Snapshot: &quota.Snapshot{FetchedAt: noon.Add(-5 * time.Hour), Short: short(100, time.Time{})}},
			auth:  "ok", sync: "ok",
			authW: [2]string{"0% of 18000, reset after null at null", "0% of 604800, reset after null at null"},
			syncW: [2]string{"null% of 18000, reset after null at null", nothingTold},
		},
		"not over by its length": {
			known: quota.Known{Snapshot: &quota.Snapshot{FetchedAt: noon.Add(-5*time.Hour + time.Second), Short: short(100, time.Time{})}},
			auth:  "ok", sync: "ok",
			authW: [2]string{"100% of 18000, reset after null at null", "0% of 604800, reset after null at null"},
			syncW: [2]string{"100% of 18000, reset after null at null", nothingTold},
		},
		"neither length nor reset, a week ago": {
			known: quota.Known{Snapshot: &quota.Snapshot{FetchedAt: noon.Add(-7 * day), Short: quota.Window{UsedPercent: new(100)}}},
			auth:  "ok", sync: "ok",
			authW: [2]string{"0% of 18000, reset after null at null", "0% of 604800, reset after null at null"},
			syncW: [2]string{nothingTold, nothingTold},
		},
		"a number that is not known": {
			known: quota.Known{Snapshot: &quota.Snapshot{FetchedAt: noon, Long: quota.Window{Length: 7 * day, ResetsAt: noon.Add(day)}}},
			auth:  "ok", sync: "ok",
			authW: [2]string{"0% of 18000, reset after null at null", "0% of 604800, reset after 86400 at " + unix(day)},
			syncW: [2]string{nothingTold, "null% of 604800, reset after 86400 at " + unix(day)},
		},
		"reached": {
			known: quota.Known{Snapshot: &quota.Snapshot{FetchedAt: noon, Reached: new(true), Long: week(86, noon.Add(day))}},
			auth:  "limit_reached", sync: "limit_reached",
			authW: [2]string{"0% of 18000, reset after null at null", "86% of 604800, reset after 86400 at " + unix(day)},
			syncW: [2]string{nothingTold, "86% of 604800, reset after 86400 at " + unix(day)},
		},
		"reached, an hour ago, and nobody knows for how long": {
			known: quota.Known{Snapshot: &quota.Snapshot{FetchedAt: noon.Add(-time.Hour), Reached: new(true)}},
			auth:  "ok", sync: "ok",
			authW: [2]string{"0% of 18000, reset after null at null", "0% of 604800, reset after null at null"},
			syncW: [2]string{nothingTold, nothingTold},
		},
	} {
		auth := c.known.Auth(noon)
		if got := [2]string{told(auth.PrimaryWindow), told(auth.SecondaryWindow)}; auth.Status != c.auth || got != c.authW {
			t.Errorf("%s, POST /auth: got %s %q, want %s %q", name, auth.Status, got, c.auth, c.authW)
		}
		sync := c.known.Sync(noon)
		switch {
		case sync == nil && c.sync == "null":
		case sync == nil || sync.Status != c.sync:
			t.Errorf("%s, POST /sync: got %+v, want %s", name, sync, c.sync)
		default:
			if got := [2]string{told(sync.PrimaryWindow), told(sync.SecondaryWindow)}; got != c.syncW {
				t.Errorf("%s, POST /sync: got %q, want %q", name, got, c.syncW)
			}
		}
	}
}

// What admins are told of a window that was reset, or of which nothing is known, has a gap there.
func TestWhatAdminsAreTold(t *testing.T) {
	t.Parallel()
	rules := quota.Rules{HardFail: true, LimitPercent: 95, WeekPartition: 5}
	known := &quota.Known{On: true, NextEligibleAt: noon.Add(time.Minute), Snapshot: &quota.Snapshot{
		FetchedAt: noon.Add(-time.Minute), Short: quota.Window{UsedPercent: new(100), Length: 5 * time.Hour, ResetsAt: noon}, Long: week(96, noon.Add(84*time.Hour)),
	}}
	said := known.Admin(true, rules, noon)
	text, err := json.Marshal(said.Windows)
	if err != nil {
		t.Fatal(err)
	}
	const want = `[{"label":"5 h","used_percent":null,"limit_seconds":18000,"resets_at":null,"elapsed_percent":null,"pace":null,"projected_percent":null},` +
		`{"label":"7 d","used_percent":96,"limit_seconds":604800,"resets_at":"2026-11-29T00:00:00+00:00","elapsed_percent":50,"pace":1.92,"projected_percent":192.04}]`
	if string(text) != want {
		t.Errorf("got windows\n%s\nwant\n%s", text, want)
	}
	if said.Cached || !said.LaunchesRefused || said.LimitReason == nil || *said.LimitReason != "the 7 d window is at 96%, the limit is 95%" || *said.DailyAllowancePercent != 19 || said.DailyUsedPercent != nil {
		t.Errorf("got %+v", said)
	}
	// What was said is in the snapshot as it was said.
	if s := said.Snapshot; *s.PrimaryUsedPercent != 100 || *s.PrimaryResetAfterSeconds != 60 || s.Raw != nil || s.Status != "ok" {
		t.Errorf("got %+v", s)
	}
	if nothing := (&quota.Known{}).Admin(false, rules, noon); nothing.Snapshot != nil || nothing.Windows == nil || len(nothing.Windows) != 0 || nothing.LaunchesRefused || !nothing.Cached {
		t.Errorf("got %+v", nothing)
	}
	// A number too large for JSON, as none can be, is no number.
	endless := &quota.Known{Snapshot: &quota.Snapshot{FetchedAt: noon, Long: quota.Window{UsedPercent: new(1000), Length: time.Nanosecond, ResetsAt: noon.Add(time.Nanosecond)}}}
	if _, err := json.Marshal(endless.Admin(false, rules, noon)); err != nil {
		t.Error(err)
	}
}
