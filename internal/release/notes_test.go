package release_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/github"
	"github.com/cdxgate/cdxgate/internal/release"
)

func (r *rig) notes(t *testing.T, version string) release.Notes {
	t.Helper()
	notes, err := r.Notes(t.Context(), version)
	if err != nil {
		t.Fatal(err)
	}
	return notes
}

// Notes come with the look that finds a release, stay when a newer one is out, and change when GitHub's do.
func TestNotes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if got := r.notes(t, "0.63.0"); got != (release.Notes{}) {
		t.Errorf("before anybody looked: got %+v", got)
	}
	r.api.Notes("rust-v0.63.0", "One\x00<b>")
	r.check(t)
	first := r.notes(t, "0.63.0")
	if first.Text != "One\ufffd<b>" || first.CheckedAt.IsZero() || first.PublishedAt.IsZero() || first.Off {
		t.Errorf("got %+v", first)
	}
	r.check(t)
	if got := r.notes(t, "0.63.0"); got != first {
		t.Errorf("nothing has changed: got %+v, want %+v", got, first)
	}
	r.api.Notes("rust-v0.63.0", "One, corrected")
	r.check(t)
	if got := r.notes(t, "0.63.0"); got.Text != "One, corrected" || got.CheckedAt.Before(first.CheckedAt) {
		t.Errorf("corrected: got %+v", got)
	}
	r.api.Release("rust-v0.64.0")
	r.check(t)
	if got := r.notes(t, "0.64.0"); got.Text != "" || got.CheckedAt.IsZero() || !got.PublishedAt.IsZero() {
		t.Errorf("one without notes: got %+v", got)
	}
	r.api.Answer(refuses(http.StatusInternalServerError, nil))
	r.check(t)
	if got := r.notes(t, "0.63.0"); got.Text != "One, corrected" {
		t.Errorf("when another is the newest, and GitHub fails: got %+v", got)
	}
	if off, err := release.NewCodex(r.store, nil).Notes(t.Context(), "0.63.0"); err != nil || off != (release.Notes{Off: true}) {
		t.Errorf("off: got %+v, %v", off, err)
	}
}

// A gateway that has looked before notes were kept, or whose notes are gone, does not hear that nothing has changed.
func TestNotesThatAreNotKept(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.api.Notes("rust-v0.63.0", "One")
	r.check(t)
	r.exec(t, "DELETE FROM codex_notes")
	r.check(t)
	if got := r.notes(t, "0.63.0"); got.Text != "One" {
		t.Errorf("got %+v", got)
	}
	r.check(t)
	asked := r.api.Asked()
	if len(asked) != 3 || asked[1].Header.Get("If-None-Match") != "" || asked[2].Header.Get("If-None-Match") == "" {
		t.Errorf("got %d questions; want three, the last alone with an ETag", len(asked))
	}
}

// An API that says another version each time fills no table, and whoever looks at notes asks nobody.
func TestNotesAreBounded(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(t, "INSERT INTO codex_notes (version, notes, kept_at) SELECT '0.1.' || i, repeat('x', 65536), now() - make_interval(mins => i) FROM generate_series(1, 60) i")
	r.check(t)
	var kept int
	if err := r.store.Pool().QueryRow(t.Context(), "SELECT count(*) FROM codex_notes").Scan(&kept); err != nil || kept != 50 {
		t.Errorf("got %d, %v; want 50", kept, err)
	}
	for version, want := range map[string]bool{"0.63.0": true, "0.1.1": true, "0.1.49": true, "0.1.50": false, "0.1.60": false} {
		if got := r.notes(t, version); got.CheckedAt.IsZero() == want {
			t.Errorf("%s: got %d bytes of %s, want that it is there: %t", version, len(got.Text), got.CheckedAt, want)
		}
	}
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() { r.notes(t, fmt.Sprintf("9.9.%d", i)) })
	}
	all.Wait()
	if n := len(r.api.Asked()); n != 1 {
		t.Errorf("GitHub was asked %d times, want once", n)
	}
}

// A look that took too long does not bring its notes either.
func TestNotesOfALateAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.api.Answer(func(w http.ResponseWriter, _ *http.Request) {
		if _, err := r.store.Pool().Exec(t.Context(), "UPDATE codex_release SET looks = looks + 1, looking_until = NULL"); err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"tag_name":"rust-v0.60.0","body":%q,"published_at":%q}`, strings.Repeat("x", github.MaxNotes), time.Now().UTC().Format(time.RFC3339))
	})
	r.check(t)
	if got := r.notes(t, "0.60.0"); got != (release.Notes{}) {
		t.Errorf("got notes of %s", got.CheckedAt)
	}
}
