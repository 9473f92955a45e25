package cdx

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/cdx/codexinstall"
	"github.com/cdxgate/cdxgate/internal/cdx/download"
	"github.com/cdxgate/cdxgate/internal/cdx/program"
)

func TestAttemptIsDue(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)
	failed := attempt{Wanted: "a", Name: "cdx 1.5.0", At: now, Failed: "no"}
	cases := map[string]struct {
		attempt attempt
		wanted  string
		after   time.Duration
		want    bool
	}{
		"never tried":            {attempt{}, "a", 0, true},
		"failed just now":        {failed, "a", 0, false},
		"failed 59:59 ago":       {failed, "a", time.Hour - time.Second, false},
		"failed an hour ago":     {failed, "a", time.Hour, true},
		"failed in the future":   {failed, "a", -time.Second, true},
		"failed, something else": {failed, "b", 0, true},
		"done":                   {attempt{Wanted: "a", At: now}, "a", 1000 * time.Hour, false},
		"done, something else":   {attempt{Wanted: "a", At: now}, "b", 0, true},
	}
	for name, c := range cases {
		if got := c.attempt.due(c.wanted, now.Add(c.after)); got != c.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
}

func TestUpdatesSurviveNonsense(t *testing.T) {
	t.Parallel()
	h := home{t.TempDir()}
	want := updates{Highest: "1.5.0", Codex: attempt{Wanted: "0.170.0", Name: "Codex 0.170.0", At: time.Unix(1, 0).UTC(), Failed: "no"}}
	h.amendUpdates(func(u *updates) { *u = want })
	if got := h.loadUpdates(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for _, text := range []string{"", "[]", `{"highest":1}`, "\x00"} {
		if err := os.WriteFile(h.updatesPath(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := h.loadUpdates(); got != (updates{}) {
			t.Errorf("%q: got %+v", text, got)
		}
	}
	h.amendUpdates(func(u *updates) { u.Highest = "1.6.0" })
	if got := h.loadUpdates(); got != (updates{Highest: "1.6.0"}) {
		t.Errorf("after nonsense: got %+v", got)
	}
}

// A run has something to do for the background exactly when something may be tried, and does not start it otherwise.
func TestDueUpdates(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)
	offer, err := json.Marshal(api.ClientOffer{Build: api.Signed{Document: json.RawMessage(`{"version":"1.5.0"}`), Signature: "sig"}})
	if err != nil {
		t.Fatal(err)
	}
	a := &app{Invocation: Invocation{Version: "1.4.0", Now: func() time.Time { return now }}, home: home{t.TempDir()}}
	s := a.newSession(&Config{BaseURL: "http://127.0.0.1:1"}, "")
	install := codexChoice{Decision: codexinstall.Decision{Start: "/x", Install: "0.170.0"}}
	recent := attempt{Wanted: "0.170.0", At: now.Add(-time.Minute), Failed: "no"}
	for _, c := range []struct {
		name      string
		updates   updates
		chosen    codexChoice
		wantCodex bool
	}{
		{"nothing wanted", updates{}, codexChoice{}, false},
		{"wanted", updates{}, install, true},
		{"failed a minute ago", updates{Codex: recent}, install, false},
		{"failed for another version", updates{Codex: attempt{Wanted: "0.169.0", At: now, Failed: "no"}}, install, true},
	} {
		if _, codex := s.dueUpdates(c.updates, c.chosen); codex != c.wantCodex {
			t.Errorf("%s: got %t for Codex", c.name, codex)
		}
	}
	s.blocks = blocks{api.BlockClient: api.Block{Data: offer}}
	if client, _ := s.dueUpdates(updates{}, codexChoice{}); client {
		t.Error("an offer is due on a machine that has pinned no key")
	}
}

func TestNamesOfHostileOffers(t *testing.T) {
	t.Parallel()
	for document, want := range map[string]string{
		`{"version":"1.5.0"}`:         "cdx 1.5.0",
		`{"version":"\u001b[31m9\n"}`: "cdx �[31m9�",
		`{"version":7}`:               "the cdx that the gateway offers",
		``:                            "the cdx that the gateway offers",
		`{"version":""}`:              "the cdx that the gateway offers",
		`["1.5.0"]`:                   "the cdx that the gateway offers",
	} {
		if got := offeredName(&api.ClientOffer{Build: api.Signed{Document: json.RawMessage(document)}}); got != want {
			t.Errorf("%s: got %q, want %q", document, got, want)
		}
	}
}

func TestExitsOfUpdates(t *testing.T) {
	t.Parallel()
	for want, err := range map[Exit]error{
		ExitCannotWrite: fmt.Errorf("x: %w", program.AsNotWritable("/x", fs.ErrPermission)),
		ExitTryLater:    fmt.Errorf("x: %w", &download.StatusError{Status: http.StatusForbidden}),
		ExitNotUpdated:  &download.StatusError{Status: http.StatusNotFound},
	} {
		if got := exitOf(err); got != want {
			t.Errorf("%v: got %d, want %d", err, got, want)
		}
	}
	if got := exitOf(program.ErrBusy); got != ExitTryLater {
		t.Errorf("busy: got %d", got)
	}
	if got := reasonOf(program.AsNotWritable("/x", fs.ErrPermission)); got != "this user may not change /x. Who may: cdx update" {
		t.Errorf("got %q", got)
	}
}
