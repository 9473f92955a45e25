package cdx

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"time"

	"github.com/cdxgate/cdxgate/internal/cdx/files"
)

// home is a directory where Codex keeps its files: CODEX_HOME or ~/.codex. What cdx has to remember about it lives in
// its subdirectory .cdx, so that every user and every copy of the home finds it there.
type home struct{ dir string }

func findHome() (home, error) {
	if dir := os.Getenv(envCodexHome); dir != "" {
		absolute, err := filepath.Abs(dir)
		if err != nil {
			return home{}, fmt.Errorf("resolving %s: %w", envCodexHome, err)
		}
		return home{absolute}, nil
	}
	userHome, err := os.UserHomeDir()
	if err != nil {
		return home{}, &refusal{
			exit: ExitConfig, label: "stopped", what: "this user has no home directory, so Codex has none",
			cause: err.Error(), next: "set HOME or " + envCodexHome,
		}
	}
	return home{filepath.Join(userHome, ".codex")}, nil
}

// authPath is the login.
func (h home) authPath() string { return filepath.Join(h.dir, "auth.json") }

func (h home) statePath() string { return filepath.Join(h.dir, ".cdx", "state.json") }

func (h home) lockPath() string { return filepath.Join(h.dir, ".cdx", "lock") }

// lockPoll is how often a waiting cdx tries the lock. The holder needs one exchange with the gateway.
const lockPoll = 20 * time.Millisecond

// errBusy means that another cdx holds the lock of the home for longer than this one may wait.
var errBusy = errors.New("another cdx is talking to the gateway for the same Codex home")

// lock makes this process the only cdx that reads, exchanges and writes the login of the home, until unlock. A lock
// whose owner was killed is free: the file only carries it.
//
// Errors: errBusy when ctx ends first.
func (h home) lock(ctx context.Context) (unlock func(), err error) {
	if err := files.MakeDir(filepath.Dir(h.lockPath())); err != nil {
		return nil, cannotWrite(err)
	}
	file, err := files.Keep(h.lockPath())
	if err != nil {
		return nil, cannotWrite(err)
	}
	unlock = func() { _ = file.Close() } // closing drops the lock
	tick := time.NewTicker(lockPoll)
	defer tick.Stop()
	for {
		held, err := files.TryLock(file)
		switch {
		case err != nil:
			unlock()
			return nil, cannotWrite(fmt.Errorf("locking %s: %w", h.lockPath(), err))
		case held:
			return unlock, nil
		}
		select {
		case <-ctx.Done():
			unlock()
			return nil, errBusy
		case <-tick.C:
		}
	}
}

// state is what cdx remembers about a home between runs. The zero value is a home it has never seen. Members that a
// newer cdx wrote are dropped; losing the file costs nothing but a question to the gateway.
type state struct {
	// LoggedOut: the user removed the login from this machine and has not asked for it again.
	LoggedOut bool `json:"logged_out,omitempty"`
	// KnownDigest is of the login that the gateway was last seen to have: removing that one loses nothing.
	KnownDigest string `json:"known_digest,omitempty"`
	// Generation is what that login is called in the fleet; 0: not known.
	Generation int64 `json:"generation,omitempty"`
	// Account is whose login came from the gateway, so that a change of the fleet's account is told from a user's own.
	Account string `json:"account,omitempty"`
	// Codex is the version of the Codex that was last looked at.
	Codex codexVersion `json:"codex,omitzero"`
	// Told is what the user was last told to do about cdx and Codex; "": nothing has to be done.
	Told string `json:"told,omitempty"`
}

// maxStateBytes is more than a state takes.
const maxStateBytes = 64 << 10

// loadState reads the state; one that cannot be read is as good as none.
func (h home) loadState() state {
	var s state
	if text, err := files.ReadBounded(h.statePath(), maxStateBytes); err == nil {
		if json.Unmarshal(text, &s) != nil {
			return state{}
		}
	}
	return s
}

// saveState writes s if it differs from what is there, so that a run in which nothing changed writes nothing.
func (h home) saveState(s state) error {
	if s == h.loadState() {
		return nil
	}
	text, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("encoding the state: %w", err)
	}
	if err := files.Write(h.statePath(), append(text, '\n')); err != nil {
		return cannotWrite(err)
	}
	return nil
}

// cannotWrite words a refusal of the file system.
func cannotWrite(err error) *refusal {
	return &refusal{
		exit: ExitCannotWrite, label: "stopped", what: err.Error(),
		next: "make room or rights, then try again\n" + notStarted(ExitCannotWrite),
	}
}

// whoRuns tells the gateway which user runs cdx, on which machine; "" is not known. Both are as the system has them: the
// environment would say of sudo what it was before.
func whoRuns() (username, hostname string) {
	if current, err := user.Current(); err == nil {
		username = current.Username
	}
	hostname, _ = os.Hostname()
	return username, hostname
}
