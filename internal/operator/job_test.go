package operator

import (
	"strings"
	"testing"
)

func TestJobList(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	must(t, d.JobList(t.Context()))
	if out, words := d.said(); out != "" || !strings.Contains(words, "No jobs yet") {
		t.Errorf("got %q beside %q", out, words)
	}
	for _, row := range []string{
		"('a', 60, now(), NULL, NULL, NULL, NULL, NULL, 0, 0)",
		"('b', 3600, now(), 'gate\u001b 7 ABC', now() + interval '1 hour', now(), NULL, NULL, 0, 3)",
		"('c', 9600, now(), NULL, NULL, now() - interval '2 hours', repeat('no luck ', 20), now(), 4, 8)",
		"('d', 60, now() - interval '2 minutes', 'dead', now() - interval '1 minute', now() - interval '2 days', NULL, NULL, 0, 9)",
		"('e', 60, now(), NULL, NULL, now(), 'once', now(), 0, 10)",
	} {
		d.g.Exec(t, "INSERT INTO job (name, every_seconds, next_run_at, lease_owner, lease_until, last_ok, last_error, failed_at, failures, runs) VALUES "+row)
	}
	must(t, d.JobList(t.Context()))
	out, words := d.said()
	want := []string{
		"JOB STATE SUCCEEDED EVERY RUNS ERROR", "a new never 1m0s 0 -", "b running just now 1h0m0s 3 -",
		"c failed 4× 2 h ago 2h40m0s 8 no luck no luck no luck no luck no luck no luck no luck no …", "d overdue 2 d ago 1m0s 9 -", "e ok just now 1m0s 10 -",
	}
	if got := rows(out); strings.Join(got, "|") != strings.Join(want, "|") || words != "" {
		t.Errorf("got %q beside %q, want %q", got, words, want)
	}
	d.JSON = true
	must(t, d.JobList(t.Context()))
	all := document[struct{ Jobs []shownJob }](t, d).Jobs
	if len(all) != 5 || all[0].LastOK != nil || !strings.HasPrefix(all[1].RunningOn, "gate\x1b 7") || all[2].Failures != 4 || all[2].FailedAt == nil || !all[3].Overdue || all[3].RunningOn != "" || *all[4].LastError != "once" {
		t.Errorf("got %+v", all)
	}
}
