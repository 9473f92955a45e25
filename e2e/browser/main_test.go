// Package browser plays the dashboard's flows in a real Chromium against the real gateway: over TLS with a session, and over
// mTLS with a client certificate. It is a module of its own, so that nobody who builds cdxgate downloads a browser's protocol.
//
// `make e2e` builds the gateway and runs it. Screenshots of every page are written to e2e/shots/, for looking at.
package browser

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// rig is what all tests share.
var rig struct {
	cdxgate string // the binary
	axe     string // the source of axe-core
	shots   string // directory of the screenshots
	dir     string // for what lives as long as the tests
}

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "browser tests:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	root, err := filepath.Abs("../..")
	if err != nil {
		return 0, err
	}
	rig.cdxgate = filepath.Join(root, "bin/cdxgate")
	if _, err := os.Stat(rig.cdxgate); err != nil {
		return 0, fmt.Errorf("run make e2e, which builds it: %w", err)
	}
	axe, err := os.ReadFile(os.Getenv("CDXGATE_TEST_AXE"))
	if err != nil {
		return 0, fmt.Errorf("run make e2e, which downloads axe-core and says where it is: %w", err)
	}
	rig.axe = string(axe)
	rig.shots = os.Getenv("CDXGATE_SHOTS")
	if rig.shots == "" {
		rig.shots = filepath.Join(root, "e2e/shots")
	}
	if err := os.MkdirAll(rig.shots, 0o755); err != nil {
		return 0, err
	}
	// A socket's path may have 107 bytes, so not where the tests' other files are.
	if rig.dir, err = os.MkdirTemp("/tmp", "cb-"); err != nil {
		return 0, err
	}
	defer os.RemoveAll(rig.dir)
	if err := os.Chmod(rig.dir, 0o711); err != nil { // root's PostgreSQL is another user's
		return 0, err
	}
	defer closeAll()
	return m.Run(), nil
}

// atEnd are undone when all tests have run, the last first.
var atEnd []func()

func closeAll() {
	for len(atEnd) > 0 {
		last := atEnd[len(atEnd)-1]
		atEnd = atEnd[:len(atEnd)-1]
		last()
	}
}
