package periodic

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/dbtest"
	"github.com/cdxgate/cdxgate/internal/errs"
)

// victim is the database of a process that this test binary is when it is to be killed in the middle of a job.
const victim = "CDXGATE_TEST_PERIODIC_VICTIM"

func TestMain(m *testing.M) {
	if url := os.Getenv(victim); url != "" {
		runVictim(url)
	}
	dbtest.Main(m)
}

func runVictim(url string) {
	store, err := db.Open(context.Background(), url, db.Options{MaxConns: 2})
	if err != nil {
		panic(err)
	}
	scheduler := New(store, slog.New(slog.DiscardHandler), []Job{{Name: "job", Every: time.Hour, Run: func(ctx context.Context) (int, error) {
		fmt.Println("it runs")
		<-ctx.Done()
		return 0, ctx.Err()
	}}})
	scheduler.lease = time.Hour // it would keep the job, however slow this machine is
	scheduler.Run(context.Background())
}

// rig makes schedulers of one database that look often.
type rig struct {
	store *db.Store
	log   *bytes.Buffer
}

func newRig(t *testing.T) *rig { return &rig{store: dbtest.New(t), log: &bytes.Buffer{}} }

func (r *rig) scheduler(lease time.Duration, jobs ...Job) *Scheduler {
	s := New(r.store, slog.New(slog.NewTextHandler(&lockedWriter{w: r.log}, nil)), jobs)
	s.lease, s.tick = lease, 5*time.Millisecond
	return s
}

// logMutex is of all rigs: schedulers of one share a log.
var logMutex sync.Mutex

type lockedWriter struct{ w io.Writer }

func (l *lockedWriter) Write(p []byte) (int, error) {
	logMutex.Lock()
	defer logMutex.Unlock()
	return l.w.Write(p)
}

func (r *rig) said() string {
	logMutex.Lock()
	defer logMutex.Unlock()
	return r.log.String()
}

// start runs a scheduler until the test ends or stop is called, which waits for it.
func start(t *testing.T, s *Scheduler) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Run(ctx)
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return stop
}

// row is a job's; zero: there is none yet.
func (r *rig) row(t *testing.T, name string) db.JobListRow {
	t.Helper()
	rows, err := r.store.JobList(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if row.Name == name {
			return row
		}
	}
	return db.JobListRow{}
}

func (r *rig) exec(t *testing.T, statement string, args ...any) {
	t.Helper()
	if _, err := r.store.Pool().Exec(t.Context(), statement, args...); err != nil {
		t.Fatal(err)
	}
}

func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !so(); time.Sleep(5 * time.Millisecond) { //nolint:forbidigo // another goroutine has to get on
		if time.Now().After(deadline) {
			t.Fatalf("%s: it never came to that", what)
		}
	}
}

// Gateways that look at the same time take turns, and die at any moment: whatever happens, a job is run by one of them.
func TestGatewaysThatRaceAndDie(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const turns = 1000
	var inside, taken, died, finished atomic.Int64
	job := Job{Name: "job", Every: time.Millisecond, Run: func(ctx context.Context) (int, error) {
		if ctx.Err() != nil { // this process was stopped for so long that the job is another's
			return 0, ctx.Err()
		}
		if n := inside.Add(1); n != 1 {
			t.Errorf("%d gateways run the job at once", n)
		}
		finished.Add(1)
		inside.Add(-1)
		return 0, nil
	}}
	jobs := map[string]Job{job.Name: job}
	var gateways sync.WaitGroup
	for range 4 {
		s := r.scheduler(400*time.Millisecond, job)
		if err := s.register(t.Context(), jobs); err != nil {
			t.Fatal(err)
		}
		gateways.Go(func() {
			for taken.Load() < turns {
				c, err := s.take(t.Context(), jobs)
				switch {
				case err != nil: // the machine is busy: nobody can know who has the job, as after a kill
					if !errors.Is(err, context.DeadlineExceeded) {
						t.Error(err)
						return
					}
				case c == nil:
				case rand.N(50) == 0: // killed before it said anything
					taken.Add(1)
					died.Add(1)
				default:
					taken.Add(1)
					s.runClaim(t.Context(), c)
				}
			}
		})
	}
	gateways.Wait()
	row := r.row(t, "job")
	if row.Runs < taken.Load() || row.Failures != 0 || died.Load() == 0 || finished.Load() > taken.Load()-died.Load() {
		t.Errorf("got %+v after %d turns, %d of which ended by a kill and %d well", row, taken.Load(), died.Load(), finished.Load())
	}
}

// Of gateways that find a job due at the same moment one takes it, each time anew.
func TestOneGatewayTakesAJob(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	jobs := map[string]Job{"job": {Name: "job", Every: time.Hour}}
	var gateways [4]*Scheduler
	for i := range gateways {
		gateways[i] = r.scheduler(time.Hour, jobs["job"])
	}
	if err := gateways[0].register(t.Context(), jobs); err != nil {
		t.Fatal(err)
	}
	for turn := range 300 {
		var taken [len(gateways)]*claim
		var all sync.WaitGroup
		for i, s := range gateways {
			all.Go(func() {
				var err error
				if taken[i], err = s.take(t.Context(), jobs); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		takers := 0
		for i, c := range taken {
			if c == nil {
				continue
			}
			takers++
			if n, err := r.store.JobFinish(t.Context(), db.JobFinishParams{Name: "job", Owner: gateways[i].owner, Runs: c.runs}); err != nil || n != 1 {
				t.Fatalf("turn %d: got %d, %v; want that the taker finishes it", turn, n, err)
			}
		}
		if takers != 1 {
			t.Fatalf("turn %d: %d gateways took the job, want one", turn, takers)
		}
	}
}

// Two schedulers in one process, as during a reload: each of several jobs is run by one of them at a time.
func TestTwoSchedulersInOneProcess(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var runs [3]atomic.Int64
	var jobs []Job
	for i := range runs {
		var inside atomic.Int64
		jobs = append(jobs, Job{Name: fmt.Sprint("job ", i), Every: 5 * time.Millisecond, Run: func(context.Context) (int, error) {
			if inside.Add(1) != 1 {
				t.Error("both run the same job")
			}
			defer inside.Add(-1)
			return 0, r.store.Ping(t.Context())
		}})
		job := jobs[i]
		jobs[i].Run = func(ctx context.Context) (int, error) {
			runs[i].Add(1)
			return job.Run(ctx)
		}
	}
	stopOld := start(t, r.scheduler(time.Minute, jobs...))
	start(t, r.scheduler(time.Minute, jobs...))
	all := func(least int64) func() bool {
		return func() bool {
			return runs[0].Load() >= least && runs[1].Load() >= least && runs[2].Load() >= least
		}
	}
	eventually(t, "both", all(20))
	stopOld()
	more := runs[0].Load() + runs[1].Load() + runs[2].Load() + 20
	eventually(t, "the one that stays", all(more))
}

// A job whose gateway is killed is another's when the lease is over.
func TestAKilledGateway(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), victim+"="+r.store.Pool().Config().ConnString())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "it runs\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it says that it was killed

	var ran, beside atomic.Int64
	other := r.scheduler(time.Minute, Job{Name: "job", Every: time.Hour, Run: func(context.Context) (int, error) {
		ran.Add(1)
		return 0, nil
	}}, Job{Name: "beside", Every: time.Millisecond, Run: func(context.Context) (int, error) {
		beside.Add(1)
		return 0, nil
	}})
	start(t, other)
	eventually(t, "the other looks for jobs, again and again", func() bool { return beside.Load() > 10 })
	first := r.row(t, "job")
	if first.RunningOn == "" || first.RunningOn == other.owner || ran.Load() != 0 {
		t.Errorf("got %+v, run %d times by the other; want it to be the dead one's until its time is over", first, ran.Load())
	}
	r.exec(t, "UPDATE job SET lease_until = lease_until - interval '1 hour' WHERE name = 'job'") // an hour goes by
	eventually(t, "the other takes over", func() bool { return ran.Load() == 1 && r.row(t, "job").LastOk != nil })
	if row := r.row(t, "job"); row.Runs != first.Runs+1 || row.RunningOn != "" {
		t.Errorf("got %+v after %+v", row, first)
	}
}

// A job that takes longer than its lease is kept.
func TestRenewals(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	begun, end := make(chan struct{}), make(chan struct{})
	job := func(run func(context.Context) (int, error)) Job { return Job{Name: "job", Every: time.Hour, Run: run} }
	start(t, r.scheduler(6*time.Second, job(func(ctx context.Context) (int, error) {
		close(begun)
		select {
		case <-end:
		case <-ctx.Done():
			t.Errorf("the job was lost: %v", context.Cause(ctx))
		}
		return 0, nil
	})))
	<-begun
	start(t, r.scheduler(6*time.Second, job(func(context.Context) (int, error) {
		t.Error("another took a job that is run")
		return 0, nil
	})))
	leaseUntil := func() (until time.Time) {
		if err := r.store.Pool().QueryRow(t.Context(), "SELECT lease_until FROM job").Scan(&until); err != nil {
			t.Fatal(err)
		}
		return until
	}
	first := leaseUntil()
	eventually(t, "the lease is renewed past its first end", func() bool { return leaseUntil().After(first.Add(6 * time.Second)) })
	close(end)
	eventually(t, "it is done", func() bool { return r.row(t, "job").LastOk != nil })
	if row := r.row(t, "job"); row.Runs != 1 || row.Failures != 0 {
		t.Errorf("got %+v, want one run", row)
	}
}

// Who has lost a job is told to stop, and has nothing to say about it any more.
func TestFencing(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(t *testing.T, r *rig){
		"another took it": func(t *testing.T, r *rig) {
			r.exec(t, "UPDATE job SET lease_owner = 'other', lease_until = now() + interval '1 hour', runs = runs + 1")
		},
		"the same took it again": func(t *testing.T, r *rig) {
			r.exec(t, "UPDATE job SET lease_until = now() + interval '1 hour', runs = runs + 1")
		},
		"its time is over": func(t *testing.T, r *rig) { r.exec(t, "UPDATE job SET lease_until = now() - interval '1 second'") },
		"the database does not answer": func(t *testing.T, r *rig) {
			tx, err := r.store.Pool().Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) })
			if _, err := tx.Exec(t.Context(), "LOCK TABLE job IN ACCESS EXCLUSIVE MODE"); err != nil {
				t.Fatal(err)
			}
			r.log.WriteString("locked")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			var cause error
			job := Job{Name: "job", Every: time.Hour, Run: func(ctx context.Context) (int, error) {
				lose(t, r)
				<-ctx.Done()
				cause = context.Cause(ctx)
				return 0, ctx.Err()
			}}
			s := r.scheduler(300*time.Millisecond, job)
			jobs := map[string]Job{"job": job}
			if err := s.register(t.Context(), jobs); err != nil {
				t.Fatal(err)
			}
			c, err := s.take(t.Context(), jobs)
			if err != nil || c == nil {
				t.Fatalf("got %v, %v", c, err)
			}
			s.runClaim(t.Context(), c)
			if !errors.Is(cause, errLost) || !strings.Contains(r.said(), errLost.Error()) {
				t.Errorf("got %v, want errLost, and the log to say so: %s", cause, r.said())
			}
			if strings.Contains(r.said(), "locked") {
				return
			}
			before := r.row(t, "job")
			finished, err := r.store.JobFinish(t.Context(), db.JobFinishParams{Name: "job", Owner: s.owner, Runs: c.runs, DelaySeconds: 1})
			renewed, renewErr := r.store.JobRenew(t.Context(), db.JobRenewParams{Name: "job", Owner: s.owner, Runs: c.runs, LeaseSeconds: 60})
			if err := errors.Join(err, renewErr); err != nil {
				t.Fatal(err)
			}
			if after := r.row(t, "job"); name != "its time is over" && (finished != 0 || renewed != 0 || after.RunningOn != before.RunningOn || after.LastOk != nil) {
				t.Errorf("got %d, %d, %+v; want the new owner's row to stay %+v", finished, renewed, after, before)
			}
			if name == "its time is over" && renewed != 0 {
				t.Error("a lease that was over was renewed")
			}
		})
	}
}

// Who stops gives up what it runs, so that nobody waits for a lease; the interruption is no failure.
func TestStoppingGivesJobsUp(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	begun := make(chan struct{})
	stop := start(t, r.scheduler(time.Hour, Job{Name: "job", Every: time.Hour, Run: func(ctx context.Context) (int, error) {
		close(begun)
		<-ctx.Done()
		return 0, ctx.Err()
	}}))
	<-begun
	stop()
	if row := r.row(t, "job"); row.RunningOn != "" || row.Failures != 0 || row.LastError != nil || row.LastOk != nil {
		t.Errorf("got %+v, want a job that nobody has", row)
	}
	again := make(chan struct{})
	start(t, r.scheduler(time.Hour, Job{Name: "job", Every: time.Hour, Run: func(context.Context) (int, error) {
		close(again)
		return 0, nil
	}}))
	<-again
	if strings.Contains(r.said(), "level=ERROR") {
		t.Errorf("an interrupted pass was logged as a fault: %s", r.said())
	}
}

// Who stops while it takes a job gives it up unrun, and takes none any more, least of all the one it has just given up.
func TestStoppingTakesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	job := Job{Name: "job", Every: time.Hour, Run: func(context.Context) (int, error) {
		t.Error("a gateway that stops ran a job")
		return 0, nil
	}}
	s, jobs := r.scheduler(time.Hour, job), map[string]Job{"job": job}
	if err := s.register(t.Context(), jobs); err != nil {
		t.Fatal(err)
	}
	c, err := s.take(t.Context(), jobs)
	if err != nil || c == nil {
		t.Fatalf("got %v, %v", c, err)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	s.runClaim(stopped, c)
	if row := r.row(t, "job"); row.RunningOn != "" || row.Runs != 1 || row.Failures != 0 || row.LastOk != nil {
		t.Errorf("got %+v, want a job that nobody has", row)
	}
	for range 20 {
		s.Run(stopped)
	}
	if row := r.row(t, "job"); row.Runs != 1 {
		t.Errorf("got %+v, want that it was not taken again", row)
	}
}

// What was good stays known when a job fails, and what failed when it is good again.
func TestOutcomesAreKept(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var fail atomic.Bool
	s := r.scheduler(time.Minute, Job{Name: "job", Every: time.Hour, Run: func(context.Context) (int, error) {
		if fail.Load() {
			return 0, errors.New("no luck\x00" + strings.Repeat("ü", maxError))
		}
		return 0, nil
	}}, Job{Name: "own", Every: time.Hour, Local: true, Run: func(context.Context) (int, error) { return 0, nil }})
	start(t, s)
	due := func() { r.exec(t, "UPDATE job SET next_run_at = now()") }
	eventually(t, "it succeeds", func() bool { return r.row(t, "job").LastOk != nil })
	good := *r.row(t, "job").LastOk
	fail.Store(true)
	due()
	eventually(t, "it fails", func() bool { return r.row(t, "job").Failures == 1 })
	row := r.row(t, "job")
	if !row.LastOk.Equal(good) || row.FailedAt == nil || !strings.HasPrefix(*row.LastError, "no luck?ü") || len(*row.LastError) > maxError {
		t.Errorf("got %+v, want the success of %s beside the failure", row, good)
	}
	fail.Store(false)
	due()
	eventually(t, "it is good again", func() bool { return r.row(t, "job").Failures == 0 })
	if row := r.row(t, "job"); row.LastError == nil || !row.LastOk.After(good) || row.Overdue {
		t.Errorf("got %+v", row)
	}
	eventually(t, "the local one", func() bool { at, err := s.LastOK(t.Context()); return err == nil && !at["own"].IsZero() })
	r.exec(t, "INSERT INTO job (name, every_seconds, last_ok) VALUES ('of an older gateway', 60, now())")
	at, err := s.LastOK(t.Context())
	if err != nil || len(at) != 2 || !at["job"].Equal(*r.row(t, "job").LastOk) {
		t.Errorf("got %v, %v; want this scheduler's two jobs", at, err)
	}
}

func TestRegister(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	register := func(every time.Duration) {
		t.Helper()
		if err := r.scheduler(time.Minute).register(t.Context(), map[string]Job{"job": {Name: "job", Every: every}}); err != nil {
			t.Fatal(err)
		}
	}
	register(time.Hour)
	r.exec(t, "UPDATE job SET next_run_at = now() + interval '50 minutes'")
	was := r.row(t, "job").NextRunAt
	register(time.Hour)
	register(3 * time.Hour)
	if row := r.row(t, "job"); !row.NextRunAt.Equal(was) || row.EverySeconds != 10800 {
		t.Errorf("got %+v, want it due at %s still", row, was)
	}
	register(time.Minute)
	if row := r.row(t, "job"); !row.NextRunAt.Before(was) {
		t.Errorf("got %+v, want it due sooner than %s", row, was)
	}
	r.exec(t, "INSERT INTO job (name, every_seconds, next_run_at) VALUES ('gone', 60, now() - interval '31 days'), ('paused', 60, now() - interval '29 days')")
	register(time.Minute)
	rows, err := r.store.JobList(t.Context())
	if err != nil || len(rows) != 2 || rows[1].Name != "paused" || !rows[1].Overdue {
		t.Errorf("got %+v, %v; want what nobody has for a month gone", rows, err)
	}
}

// An outage is said once, and its end.
func TestOutageIsLoggedOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(t, "ALTER TABLE job RENAME TO hidden")
	var ran atomic.Bool
	start(t, r.scheduler(time.Minute, Job{Name: "job", Every: time.Hour, Run: func(context.Context) (int, error) {
		ran.Store(true)
		return 0, nil
	}}))
	eventually(t, "it is said", func() bool { return strings.Contains(r.said(), "cannot be taken") })
	r.exec(t, "ALTER TABLE hidden RENAME TO job")
	eventually(t, "the job runs", ran.Load)
	eventually(t, "its end is said", func() bool { return strings.Contains(r.said(), "taken from the database again") })
	if text := r.said(); strings.Count(text, "cannot be taken") != 1 || strings.Count(text, "taken from the database again") != 1 {
		t.Errorf("got %s", text)
	}
}

func TestDelay(t *testing.T) {
	t.Parallel()
	fault := errors.New("no luck")
	later := errs.New(errs.Unavailable, "x", "x").Later(2 * time.Hour)
	for _, c := range []struct {
		every    time.Duration
		failures int
		err      error
		want     time.Duration
	}{
		{time.Hour, 0, nil, time.Hour},
		{time.Hour, 5, nil, time.Hour},
		{3 * time.Hour, 0, fault, time.Minute},
		{3 * time.Hour, 3, fault, 8 * time.Minute},
		{3 * time.Hour, 1000, fault, 3 * time.Hour},
		{time.Minute, 0, fault, time.Minute},
		{time.Minute, 2, fault, 4 * time.Minute},
		{time.Minute, 1000, fault, 10 * time.Minute},
		{time.Second, 0, fault, time.Second},
		{3 * time.Hour, 0, fmt.Errorf("asking: %w", later), 2 * time.Hour},
		{time.Minute, 0, later.Later(1000 * time.Hour), 24 * time.Hour},
	} {
		c2 := &claim{Job: Job{Every: c.every}, failures: c.failures}
		if got := delay(c2, c.err); got < c.want || got > c.want+c.want/10+1 {
			t.Errorf("every %s, %d failures, %v: got %s, want %s and up to a tenth more", c.every, c.failures, c.err, got, c.want)
		}
	}
}
