//go:build unix

package cdxfleet

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/cdx"
	"github.com/cdxgate/cdxgate/internal/cdx/files"
	"github.com/cdxgate/cdxgate/internal/dbtest"
)

// The environment that tells the test program what to be, and what to do as that.
const (
	envRole  = "FLEET_ROLE"  // cdx, codex; "": the tests
	envKill  = "FLEET_KILL"  // cdx: the step before which it kills itself, from 1
	envStep  = "FLEET_STEP"  // cdx: the file that then tells the step's name
	envAhead = "FLEET_AHEAD" // by how much the machine's clock is wrong
	envCodex = "FLEET_CODEX" // codex: what it does, see fakeCodex
)

func TestMain(m *testing.M) {
	switch os.Getenv(envRole) {
	case "cdx":
		runCdx()
	case "codex":
		fakeCodex()
	default:
		// Under nohup, or a CI that ignores it, a child would inherit that: a signal that is listened to starts afresh there.
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
		// The tests wait for other processes most of the time. What the command line says counts more.
		if err := flag.Set("test.parallel", "8"); err != nil {
			fatal(err)
		}
		dbtest.Main(m)
	}
}

// now is what the clock of this process's machine says.
func now() time.Time {
	ahead, _ := time.ParseDuration(os.Getenv(envAhead)) // no such variable: the clock is right
	return time.Now().Add(ahead)
}

func runCdx() {
	if last, err := strconv.ParseInt(os.Getenv(envKill), 10, 64); err == nil {
		var reached atomic.Int64
		files.Step = func(what string) {
			if reached.Add(1) == last {
				_ = os.WriteFile(os.Getenv(envStep), []byte(what), 0o600)
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		}
	}
	os.Exit(cdx.Run(context.Background(), cdx.Invocation{Version: "1.4.0", Args: os.Args[1:], Now: now}))
}

// fatal ends a process that plays a part in a test.
func fatal(err error) {
	fmt.Fprintln(os.Stderr, "cdxfleet:", err)
	os.Exit(99)
}
