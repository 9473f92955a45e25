package pgembed

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// spawner starts children from one operating-system thread that lives as long as it does: the kernel signals a child when
// the *thread* that started it ends, and the Go runtime ends threads as it likes.
type spawner struct{ starts chan func() }

func newSpawner() *spawner {
	sp := &spawner{starts: make(chan func())}
	go func() {
		runtime.LockOSThread() // never unlocked, so the thread ends with this goroutine and serves nobody else
		for start := range sp.starts {
			start()
		}
	}()
	return sp
}

func (sp *spawner) start(cmd *exec.Cmd) error {
	result := make(chan error)
	sp.starts <- func() { result <- cmd.Start() }
	return <-result
}

// close ends the thread. Call it when no child runs any more.
func (sp *spawner) close() { close(sp.starts) }

// command prepares a child that runs as the account, in a process group of its own so that a Ctrl-C on the terminal does not
// stop the database before the gateway has drained, and that gets onDeath when we die.
func (s *Server) command(onDeath syscall.Signal, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...) //nolint:noctx // how it ends is decided by those who wait for it
	cmd.Dir = s.dir.pg
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: s.account.credential()}
	signalOnParentDeath(cmd.SysProcAttr, onDeath)
	// Nothing else of our environment: it may hold secrets, and PG* variables would redirect PostgreSQL.
	cmd.Env = []string{"LC_ALL=C"}
	for _, name := range []string{"PATH", "LD_LIBRARY_PATH"} {
		if value, set := os.LookupEnv(name); set {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	return cmd
}

// runTool runs a program of PostgreSQL to its end and returns what it printed, trimmed. The end of ctx kills it.
func (s *Server) runTool(ctx context.Context, stdin, name string, args ...string) (string, error) {
	var out strings.Builder
	cmd := s.command(syscall.SIGKILL, name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = 5 * time.Second // a grandchild may hold the pipe a little longer
	if err := s.spawner.start(cmd); err != nil {
		return "", err
	}
	var failure error
	waited := make(chan struct{})
	go func() {
		defer close(waited)
		failure = cmd.Wait()
	}()
	select {
	case <-waited:
		return strings.TrimSpace(out.String()), explainTool(failure, out.String())
	case <-ctx.Done():
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // the group: initdb has children; it may have ended by itself
		<-waited
		return "", ctx.Err()
	}
}

// explainTool puts the last words of a program that failed into its error.
func explainTool(err error, out string) error {
	if err == nil {
		return nil
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	return fmt.Errorf("%w: %s", err, lastWords(lines))
}

// lastWordsCount is how many lines of a program's output an error quotes.
const lastWordsCount = 3

// lastWords turns the end of a program's output into one line for people, with what to do about the failures that an operator
// meets in practice.
func lastWords(lines []string) string {
	text := strings.Join(lines[max(0, len(lines)-lastWordsCount):], " | ")
	switch all := strings.Join(lines, "\n"); {
	case strings.Contains(all, "could not look up effective user ID"):
		return "PostgreSQL runs only as a user whom the system knows; give this one a line in /etc/passwd, " +
			"or run the gateway as another user, or set database to a server that runs elsewhere (" + text + ")"
	case strings.Contains(all, "No space left on device"):
		return "the disk is full; make room and start again (" + text + ")"
	}
	return text
}
