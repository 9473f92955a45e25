package cdx

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/cdx/files"
)

func TestLockExcludesAndTimesOut(t *testing.T) {
	t.Parallel()
	h := home{t.TempDir()}
	unlock, err := h.lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*lockPoll)
	defer cancel()
	if _, err := h.lock(ctx); !errors.Is(err, errBusy) {
		t.Fatalf("got %v, want errBusy", err)
	}
	waiting := make(chan error, 1)
	go func() {
		second, err := h.lock(t.Context())
		if err == nil {
			second()
		}
		waiting <- err
	}()
	unlock()
	if err := <-waiting; err != nil {
		t.Errorf("after the first let go: got %v", err)
	}
}

// A cdx that cannot get its turn starts Codex with what is there, or asks to come back.
func TestBusyHome(t *testing.T) {
	t.Parallel()
	a := &app{Invocation: Invocation{Version: "1.4.0", Stderr: new(bytes.Buffer), Now: time.Now}, home: home{t.TempDir()}}
	unlock, err := a.home.lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	pull := func() (*session, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*lockPoll)
		defer cancel()
		s := a.newSession(&Config{BaseURL: "http://127.0.0.1:1"}, "")
		return s, s.pull(ctx)
	}
	_, err = pull()
	if refused, ok := errors.AsType[*refusal](err); !ok || refused.exit != ExitTryLater {
		t.Errorf("without a login: got %v, want exit 75", err)
	}
	a.home.rememberContact(time.Now())
	if err := files.Write(a.home.authPath(), []byte(`{"tokens":{"access_token":"a"}}`)); err != nil {
		t.Fatal(err)
	}
	s, err := pull()
	if err != nil || len(s.notices) != 1 || !strings.Contains(s.notices[0].text, "another cdx") || !s.login.usable() {
		t.Errorf("with a login: got %v, notices %v", err, s.notices)
	}
}

func TestStateSurvivesNonsense(t *testing.T) {
	t.Parallel()
	h := home{t.TempDir()}
	want := state{LoggedOut: true, KnownDigest: "d", Account: "a", Codex: codexVersion{Path: "/p", SizeBytes: 1, Modified: 2, Version: "3"}}
	if err := h.saveState(want); err != nil {
		t.Fatal(err)
	}
	if got := h.loadState(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for _, text := range []string{"", "[]", `{"logged_out":"yes"}`, "\x00"} {
		if err := os.WriteFile(h.statePath(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := h.loadState(); got != (state{}) {
			t.Errorf("%q: got %+v", text, got)
		}
	}
}
