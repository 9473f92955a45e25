package operator

import (
	"context"
	"fmt"
	"io"
	"time"
)

// shownJob is a job as job list -o json shows it.
type shownJob struct {
	Name         string     `json:"name"`
	EverySeconds float64    `json:"every_seconds"`
	NextRunAt    time.Time  `json:"next_run_at"`
	RunningOn    string     `json:"running_on"` // machine, process and more of the gateway that runs it now; "": none does
	Overdue      bool       `json:"overdue"`    // by a whole interval
	LastStarted  *time.Time `json:"last_started"`
	LastOK       *time.Time `json:"last_ok"`
	LastError    *string    `json:"last_error"` // of the last time that it failed
	FailedAt     *time.Time `json:"failed_at"`
	Failures     int32      `json:"failures"` // in a row; 0: the last time it did not fail
	Runs         int64      `json:"runs"`
}

func (j *shownJob) state() string {
	switch {
	case j.RunningOn != "":
		return "running"
	case j.Failures > 0:
		return fmt.Sprintf("failed %d×", j.Failures)
	case j.Overdue:
		return "overdue"
	case j.LastOK == nil:
		return "new"
	}
	return "ok"
}

// JobList prints the jobs that the gateways of this database share.
func (c *Console) JobList(ctx context.Context) error {
	rows, err := c.core.DB.JobList(ctx)
	if err != nil {
		return fmt.Errorf("listing jobs: %w", err)
	}
	jobs, now := make([]shownJob, 0, len(rows)), time.Now()
	t := table{head: []string{"JOB", "STATE", "SUCCEEDED", "EVERY", "RUNS", "ERROR"}, optional: []string{"ERROR", "RUNS", "EVERY"}}
	for _, row := range rows {
		job := shownJob{
			Name: row.Name, EverySeconds: row.EverySeconds, NextRunAt: row.NextRunAt, RunningOn: row.RunningOn, Overdue: row.Overdue,
			LastStarted: row.LastStarted, LastOK: row.LastOk, LastError: row.LastError, FailedAt: row.FailedAt, Failures: row.Failures, Runs: row.Runs,
		}
		jobs = append(jobs, job)
		failure := "-"
		if job.Failures > 0 && job.LastError != nil {
			failure = clip(*job.LastError, 60)
		}
		every := time.Duration(job.EverySeconds * float64(time.Second))
		t.rows = append(t.rows, []string{job.Name, job.state(), ago(job.LastOK, now), every.String(), fmt.Sprint(job.Runs), failure})
	}
	if len(jobs) == 0 {
		c.say("No jobs yet: no gateway has run on this database.")
	}
	return c.print(map[string]any{"jobs": jobs}, func(out io.Writer) { t.write(out, c.Err) })
}
