//go:build linux

package screen

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestDetectTerminal(t *testing.T) {
	t.Parallel()
	pty, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer pty.Close()
	if err := unix.IoctlSetWinsize(int(pty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 123}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		env  func(string) string
		want Terminal
	}{
		"terminal": {environment("LANG", "C.UTF-8", "TERM", "xterm", "COLUMNS", "99"),
			Terminal{Interactive: true, Redraws: true, Width: 123, Colour: true}},
		"dumb":    {environment("LANG", "C.UTF-8", "TERM", "dumb"), Terminal{Interactive: true, Width: 123}},
		"no name": {environment("LANG", "C.UTF-8"), Terminal{Interactive: true, Width: 123}},
		"console": {environment("LANG", "C.UTF-8", "TERM", "linux"),
			Terminal{Interactive: true, Redraws: true, Width: 123, Colour: true, ASCII: true}},
	} {
		if got := Detect(pty, c.env, "auto"); got != c.want {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}
