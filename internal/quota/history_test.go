package quota_test

import (
	"testing"
	"time"
)

// Half a year in which ChatGPT was asked every quarter of an hour comes down to what the documentation says, whenever the job runs.
func TestThin(t *testing.T) {
	t.Parallel()
	for name, now := range map[string]time.Time{
		"at noon": noon, "at midnight": noon.Truncate(day), "a second before midnight": noon.Truncate(day).Add(-time.Second), "at some time": noon.Add(37*time.Minute + 11*time.Second),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := now
			r := newRigAt(t, func() time.Time { return clock })
			r.poll(t)
			r.Exec(t, "UPDATE quota_snapshot SET fetched_at = $1", now.Add(-200*day)) // the last good answer, from long ago
			r.Exec(t, `INSERT INTO quota_snapshot (account_id, source, chatgpt_account, fetched_at, secondary_used_percent)
				SELECT $1, CASE WHEN n % 7 = 0 THEN 'host' ELSE 'chatgpt' END, 'acct-authtest', $2::timestamptz - n * interval '15 minutes', n % 100 FROM generate_series(0, 200 * 96) n`, r.account, now)
			// As it was when the job had run before, and everything was a little younger.
			for _, clock = range []time.Time{now.Add(-90 * time.Minute), now} {
				for {
					changed, err := r.Quota.Thin(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					if changed == 0 {
						break
					}
				}
			}
			between := func(from, until time.Duration) int64 {
				return r.Int(t, "SELECT count(*) FROM quota_snapshot WHERE fetched_at >= $1 AND fetched_at < $2", now.Add(-from), now.Add(-until))
			}
			if n := between(2*day, -time.Second); n != 193 {
				t.Errorf("got %d of two days, want all 193", n)
			}
			if n := between(30*day, 2*day); n < 28*24-1 || n > 28*24+24 { // where a day begins to count as one, its hours may still be there
				t.Errorf("got %d of the 28 days before, want one an hour: 672", n)
			}
			if n := between(180*day, 30*day); n < 149 || n > 151+24 {
				t.Errorf("got %d of the 150 days before, want one a day", n)
			}
			if n := between(1000*day, 180*day); n != 1 {
				t.Errorf("got %d from before, want the last good answer", n)
			}
			if n := r.Int(t, `SELECT count(*) FROM (SELECT date_trunc('hour', fetched_at AT TIME ZONE 'UTC') FROM quota_snapshot WHERE fetched_at < $1 GROUP BY 1 HAVING count(*) > 1) x`, now.Add(-2*day).Truncate(time.Hour)); n != 0 {
				t.Errorf("got %d hours with more than one", n)
			}
			if n := r.Int(t, `SELECT count(*) FROM (SELECT date_trunc('day', fetched_at AT TIME ZONE 'UTC') FROM quota_snapshot WHERE fetched_at < $1 GROUP BY 1 HAVING count(*) > 1) x`, now.Add(-30*day).Truncate(day)); n != 0 {
				t.Errorf("got %d days with more than one", n)
			}
			if known := r.read(t); known.Snapshot == nil || !known.Snapshot.FetchedAt.Equal(now.Add(-200*day)) {
				t.Errorf("got %+v, want the last good answer", known.Snapshot)
			}
			points, since, err := r.Quota.History(t.Context(), r.account, 180)
			if err != nil || !since.Equal(now.Add(-180*day)) || len(points) < 1000 || len(points) > 1100 || points[0].At.After(points[1].At) {
				t.Errorf("got %d points since %s, %v", len(points), since, err)
			}
			if points, _, err = r.Quota.History(t.Context(), r.account, 1); err != nil || len(points) != 97 || points[96].Long.UsedPercent == nil || *points[96].Long.UsedPercent != 0 || points[0].Short.UsedPercent != nil {
				t.Errorf("got %d points, %v", len(points), err)
			}
		})
	}
}

// What is not thinned yet does not fill an answer either.
func TestHistoryIsBounded(t *testing.T) {
	t.Parallel()
	r := newRigAt(t, func() time.Time { return noon })
	r.Exec(t, `INSERT INTO quota_snapshot (account_id, source, fetched_at) SELECT $1, 'chatgpt', $2::timestamptz - n * interval '1 second' FROM generate_series(1, 20000) n`, r.account, noon)
	points, _, err := r.Quota.History(t.Context(), r.account, 180)
	if err != nil || len(points) != 5000 || !points[4999].At.Equal(noon.Add(-time.Second)) {
		t.Errorf("got %d points, %v; want the newest 5000", len(points), err)
	}
}
