package cdx

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkWarmStart starts the program that users have, on a machine where nothing changed, and Codex alone, in turns.
// date(1) stands in for Codex: what it prints is when it began. Reported are the milliseconds that cdx puts before
// Codex and adds to a whole run, the requests of a run, and the resident memory of a cdx that waits for Codex.
func BenchmarkWarmStart(b *testing.B) {
	fleet := newFleetOf(loginSpec{Account: "acct-fleet", LastRefresh: "2026-11-23T00:00:00Z"}.encode(), true)
	var requests atomic.Int32
	r := newRig(b, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		requests.Add(1)
		fleet.ServeHTTP(w, req)
	}))
	program, codex := filepath.Join(r.dir, "cdx"), filepath.Join(r.dir, "date")
	build := exec.CommandContext(b.Context(), "go", "build", "-ldflags", "-s -w", "-o", program, "github.com/cdxgate/cdxgate/cmd/cdx")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	date, err := exec.LookPath("date")
	if err != nil {
		b.Fatal(err)
	}
	if err := os.Symlink(date, codex); err != nil {
		b.Fatal(err)
	}
	r.env = append(r.env, "CDX_CODEX_BIN="+codex)
	run := func(name string) (before, whole time.Duration) {
		cmd := exec.CommandContext(b.Context(), name, "+%s%N")
		cmd.Env = r.env
		began := time.Now()
		out, err := cmd.Output()
		whole = time.Since(began)
		at, notANumber := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
		if err != nil || notANumber != nil {
			b.Fatalf("%s: %v, %q", name, err, out)
		}
		return time.Unix(0, at).Sub(began), whole
	}
	run(program) // takes the login
	requests.Store(0)
	var before, added time.Duration
	for b.Loop() {
		aloneBefore, alone := run(codex)
		wrappedBefore, wrapped := run(program)
		before += wrappedBefore - aloneBefore
		added += wrapped - alone
	}
	milliseconds := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 / float64(b.N) }
	b.ReportMetric(milliseconds(before), "ms-before-Codex")
	b.ReportMetric(milliseconds(added), "ms-in-all")
	b.ReportMetric(float64(requests.Load())/float64(b.N), "requests")
	b.ReportMetric(r.residentMB(program), "MB-resident")
	b.ReportMetric(0, "ns/op") // of both, which says nothing
}

// residentMB returns the resident memory of a cdx that waits for Codex.
func (r *rig) residentMB(program string) float64 {
	r.t.Helper()
	waiting, ready := filepath.Join(r.dir, "waiting"), filepath.Join(r.dir, "ready")
	if err := os.WriteFile(waiting, fmt.Appendf(nil, "#!/bin/sh\n: >'%s'\nread -r line || :\n", ready), 0o700); err != nil {
		r.t.Fatal(err)
	}
	cmd := exec.CommandContext(r.t.Context(), program)
	cmd.Env = append(r.env, "CDX_CODEX_BIN="+waiting)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	await(r.t, "Codex to run", func() bool { return exists(ready) })
	status := string(r.read(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid)))
	_ = stdin.Close() // Codex ends
	if err := cmd.Wait(); err != nil {
		r.t.Fatal(err)
	}
	_, resident, _ := strings.Cut(status, "VmRSS:")
	kilobytes, err := strconv.Atoi(strings.Fields(resident)[0])
	if err != nil {
		r.t.Fatal(err)
	}
	return float64(kilobytes) / 1024
}
