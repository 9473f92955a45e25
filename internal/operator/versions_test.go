package operator

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/cdxgate/cdxgate/internal/github"
	"github.com/cdxgate/cdxgate/internal/github/githubtest"
	"github.com/cdxgate/cdxgate/internal/release"
)

func TestVersions(t *testing.T) {
	t.Parallel()
	api := githubtest.New(t, "rust-v0.63.0")
	d := newDeskOf(t, github.New(api.URL))
	table := func(act func() error, want ...string) {
		t.Helper()
		must(t, act())
		if out, words := d.said(); strings.Join(rows(out), "|") != strings.Join(append([]string{"WHAT VERSION FROM"}, want...), "|") || words != "" {
			t.Errorf("got\n%s%s\nwant %q", out, words, want)
		}
	}
	show, check := func() error { return d.VersionsShow(t.Context()) }, func() error { return d.VersionsCheck(t.Context()) }
	d.Version = "1.2.3"
	const gateway = "cdx for hosts 1.2.3 this gateway"
	table(show, "Codex for hosts - unknown", "newest Codex - asked never", gateway)
	table(check, "Codex for hosts 0.63.0 github", "newest Codex 0.63.0 asked just now", gateway)
	must(t, d.PolicySet(t.Context(), "client_version", "0.61.0"))
	d.said()
	table(show, "Codex for hosts 0.61.0 locked", "newest Codex 0.63.0 asked just now", gateway)

	api.Answer(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte("{\"tag_name\":\"\x7f\u200b\"}"))
	})
	if err := check(); !errors.Is(err, release.ErrLook) || !strings.Contains(err.Error(), "has the tag") {
		t.Errorf("got %v, want ErrLook, and why", err)
	}
	if out, _ := d.said(); out != "" {
		t.Errorf("a check that failed printed %q", out)
	}
	must(t, show())
	out, words := d.said()
	if !strings.Contains(out, "0.63.0") || !strings.HasPrefix(words, "! The newest Codex could not be found out: ") || strings.ContainsAny(words, "\x7f\u200b") {
		t.Errorf("got %q beside %q", out, words)
	}
	d.JSON = true
	must(t, show())
	if v := document[shownVersions](t, d); v.Target != "0.61.0" || v.Source != "locked" || v.Newest != "0.63.0" || v.CheckedAt == nil || v.FailedAt == nil || v.Reason == "" {
		t.Errorf("got %+v", v)
	}
	if n := d.g.Int(t, "SELECT count(*) FROM audit_entry WHERE action = 'admin.versions.check' AND actor_kind = 'operator'"); n != 2 {
		t.Errorf("got %d entries, want one for each check", n)
	}
}

// A site that asks nobody is told so.
func TestVersionsOff(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	if err := d.VersionsCheck(t.Context()); !errors.Is(err, release.ErrLook) || !strings.Contains(err.Error(), "github_api is off") {
		t.Errorf("got %v", err)
	}
}
