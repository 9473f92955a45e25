package program

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// maxSaid is how much of what a program says is kept: a version and a little more.
const maxSaid = 4 << 10

// busyPoll is how long to wait before a program that is just open for writing elsewhere is tried again.
const busyPoll = 20 * time.Millisecond

// Ask starts a new program with one argument and returns what it says on standard output, without the space around it.
// It gets no secret: neither standard input, nor the environment of this process, nor a home.
func Ask(ctx context.Context, path, argument string, timeout time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for {
		said, err := ask(ctx, path, argument)
		if !isBusy(err) {
			return said, err
		}
		select {
		case <-ctx.Done():
			return "", err
		case <-time.After(busyPoll):
		}
	}
}

func ask(ctx context.Context, path, argument string) (string, error) {
	cmd := exec.CommandContext(ctx, path, argument)
	cmd.Dir = filepath.Dir(path)
	cmd.Env = append(systemEnvironment(),
		"HOME="+os.DevNull, "USERPROFILE="+os.DevNull, "CODEX_HOME="+os.DevNull) // nothing to read or to write there
	var said bounded
	cmd.Stdout = &said
	cmd.WaitDelay = time.Second // a child of it may hold the pipe
	err := cmd.Run()
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return "", ctx.Err()
	case ctx.Err() != nil:
		return "", fmt.Errorf("the new %s did not say its version in time", filepath.Base(path))
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		return "", fmt.Errorf("the new program does not run here: %w", err)
	}
	return strings.TrimSpace(said.String()), nil
}

// bounded keeps the first maxSaid bytes that are written to it, and takes all.
type bounded struct{ buffer bytes.Buffer }

// Write implements io.Writer.
func (b *bounded) Write(p []byte) (int, error) {
	b.buffer.Write(p[:min(len(p), maxSaid-b.buffer.Len())])
	return len(p), nil
}

func (b *bounded) String() string { return b.buffer.String() }
