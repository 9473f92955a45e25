package release_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/dbtest"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/github"
	"github.com/cdxgate/cdxgate/internal/github/githubtest"
	"github.com/cdxgate/cdxgate/internal/release"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

var operator = audit.Actor{Kind: audit.KindOperator, Name: "alice"}

type rig struct {
	*release.Codex
	api   *githubtest.API
	store *db.Store
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{api: githubtest.New(t, "rust-v0.63.0"), store: dbtest.New(t)}
	r.Codex = release.NewCodex(r.store, github.New(r.api.URL))
	return r
}

func (r *rig) known(t *testing.T) release.Known {
	t.Helper()
	known, err := r.Known(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return known
}

func (r *rig) check(t *testing.T) release.Known {
	t.Helper()
	known, err := r.Check(t.Context(), operator)
	if err != nil {
		t.Fatal(err)
	}
	return known
}

func (r *rig) exec(t *testing.T, statement string) {
	t.Helper()
	if _, err := r.store.Pool().Exec(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

// entries are actor, action and details of the audit trail.
func (r *rig) entries(t *testing.T) (all []string) {
	t.Helper()
	rows, err := r.store.AuditPage(t.Context(), db.AuditPageParams{Max: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		all = append(all, row.Actor+" "+row.Action+" "+row.Details)
	}
	return all
}

func refuses(status int, header http.Header) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		maps.Copy(w.Header(), header)
		w.WriteHeader(status)
	}
}

// What is known gets old, and stays known when GitHub does not answer any more.
func TestWhatIsKnown(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if got := r.known(t); got != (release.Known{Source: release.SourceUnknown}) {
		t.Errorf("before anybody looked: got %+v", got)
	}
	if changed, err := r.Look(t.Context()); changed != 0 || err != nil {
		t.Fatalf("got %d, %v", changed, err)
	}
	first := r.known(t)
	if first.Version != "0.63.0" || first.Source != release.SourceCache || first.Reason != "" || time.Since(first.CheckedAt).Abs() > time.Hour {
		t.Errorf("after a look: got %+v", first)
	}
	r.exec(t, "UPDATE codex_release SET checked_at = now() - interval '181 minutes'")
	if got := r.known(t); got.Version != "0.63.0" || got.Source != release.SourceStale {
		t.Errorf("3 hours later: got %+v", got)
	}
	if _, err := r.Look(t.Context()); err != nil { // unchanged
		t.Fatal(err)
	}
	if got := r.known(t); got.Version != "0.63.0" || got.Source != release.SourceCache {
		t.Errorf("after a look that found nothing new: got %+v", got)
	}
	if asked := r.api.Asked(); len(asked) != 2 || asked[1].Header.Get("If-None-Match") == "" {
		t.Errorf("got %d questions; want two, the second with an ETag", len(asked))
	}
	r.api.Answer(refuses(http.StatusInternalServerError, nil))
	if _, err := r.Look(t.Context()); !errors.Is(err, release.ErrLook) || errs.Of(err).Retry != 0 {
		t.Errorf("got %v, want ErrLook without advice", err)
	}
	got := r.known(t)
	if got.Version != "0.63.0" || got.Source != release.SourceCache || !strings.Contains(got.Reason, "500") || got.FailedAt.IsZero() {
		t.Errorf("after a failure: got %+v", got)
	}
	r.exec(t, "UPDATE codex_release SET checked_at = now() - interval '1 day'")
	if got := r.known(t); got.Version != "0.63.0" || got.Source != release.SourceStale || got.Reason == "" {
		t.Errorf("a day later: got %+v", got)
	}
	r.api.Release("rust-v0.64.0")
	if _, err := r.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := r.known(t); got.Version != "0.64.0" || got.Source != release.SourceCache || got.Reason != "" || !got.FailedAt.IsZero() {
		t.Errorf("when it is good again: got %+v", got)
	}
	want := []string{`cdxgate codex.release {"before": "", "version": "0.63.0"}`, `cdxgate codex.release {"before": "0.63.0", "version": "0.64.0"}`}
	if got := r.entries(t); !slices.Equal(got, want) {
		t.Errorf("recorded %q, want %q", got, want)
	}
}

// An admin's check says what came of it, whatever that is, and is recorded.
func TestCheck(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.api.Answer(refuses(http.StatusForbidden, nil))
	if got := r.check(t); got.Version != "" || got.Source != release.SourceUnknown || !strings.Contains(got.Reason, "403") {
		t.Errorf("nothing known, and a refusal: got %+v", got)
	}
	r.api.Release("rust-v0.63.0")
	if got := r.check(t); got.Version != "0.63.0" || got.Source != release.SourceGitHub || got.Reason != "" {
		t.Errorf("got %+v", got)
	}
	r.api.Answer(refuses(http.StatusBadGateway, nil))
	if got := r.check(t); got.Version != "0.63.0" || got.Source != release.SourceStale || !strings.Contains(got.Reason, "502") {
		t.Errorf("known a moment ago, and a failure: got %+v", got)
	}
	got := r.entries(t)
	if len(got) != 4 || !strings.HasPrefix(got[0], `alice admin.versions.check {"reason": `) || !strings.HasPrefix(got[1], "alice codex.release") ||
		got[2] != `alice admin.versions.check {"source": "github", "version": "0.63.0"}` || !strings.Contains(got[3], `"cache_stale"`) {
		t.Errorf("recorded %q", got)
	}
}

// GitHub is not asked while it does not want to be, by no gateway and for no admin.
func TestGitHubIsLeftAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.api.Answer(refuses(http.StatusTooManyRequests, http.Header{"Retry-After": {"3600"}}))
	_, err := r.Look(t.Context())
	if retry := errs.Of(err).Retry; !errors.Is(err, release.ErrLook) || retry != time.Hour {
		t.Errorf("got %v, to be tried again in %s; want an hour", err, retry)
	}
	other := release.NewCodex(r.store, github.New(r.api.URL))
	for range 3 {
		if got, err := other.Check(t.Context(), operator); err != nil || got.Source != release.SourceUnknown || !strings.Contains(got.Reason, "does not want to be asked") {
			t.Errorf("got %+v, %v", got, err)
		}
	}
	if n := len(r.api.Asked()); n != 1 {
		t.Errorf("GitHub was asked %d times, want once", n)
	}
	r.api.Release("rust-v0.63.0")
	r.exec(t, "UPDATE codex_release SET not_before = now() - interval '1 second'")
	if got := r.check(t); got.Source != release.SourceGitHub {
		t.Errorf("an hour later: got %+v", got)
	}
}

// However many want to know at once, on however many gateways, GitHub is asked once at a time, and all of them hear the same.
func TestOneLookForAll(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	other := release.NewCodex(r.store, github.New(r.api.URL))
	asked, answer := make(chan struct{}), make(chan struct{})
	var once sync.Once
	var inside, told atomic.Int64
	r.api.Answer(func(w http.ResponseWriter, _ *http.Request) {
		if inside.Add(1) != 1 {
			t.Error("GitHub is asked twice at once")
		}
		defer inside.Add(-1)
		once.Do(func() { close(asked) })
		<-answer
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"tag_name":"rust-v0.65.0"}`))
	})
	var all sync.WaitGroup
	check := func(c *release.Codex) func() {
		return func() {
			if got, err := c.Check(t.Context(), operator); err != nil || got.Source != release.SourceGitHub || got.Version != "0.65.0" {
				t.Errorf("got %+v, %v", got, err)
			}
			told.Add(1)
		}
	}
	all.Go(check(r.Codex))
	<-asked
	for range 4 {
		all.Go(check(r.Codex))
		all.Go(check(other))
	}
	if got := r.known(t); got.Source != release.SourceUnknown || told.Load() != 0 {
		t.Errorf("while GitHub thinks: got %+v at once, and %d were told something", got, told.Load())
	}
	close(answer)
	all.Wait()
}

// A look that took too long has nothing to say any more once another has begun.
func TestALateAnswerIsDropped(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.api.Answer(func(w http.ResponseWriter, _ *http.Request) {
		if _, err := r.store.Pool().Exec(t.Context(), "UPDATE codex_release SET looks = looks + 1, version = '0.70.0', checked_at = now(), looking_until = NULL"); err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"tag_name":"rust-v0.60.0"}`))
	})
	if _, err := r.Look(t.Context()); !errors.Is(err, release.ErrLook) {
		t.Errorf("got %v, want ErrLook", err)
	}
	if got := r.known(t); got.Version != "0.70.0" || got.Reason != "" {
		t.Errorf("got %+v, want what the later look found", got)
	}
	if got := r.entries(t); len(got) != 0 {
		t.Errorf("recorded %q", got)
	}
}

// Who died while looking keeps nobody from it for longer than its time, and who waits for it is told so.
func TestALookThatNeverEnds(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(t, "UPDATE codex_release SET looking_until = now() + interval '1 hour', looks = 1")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := r.Look(ctx); !errors.Is(err, release.ErrLook) {
		t.Errorf("got %v, want ErrLook", err)
	}
	if n := len(r.api.Asked()); n != 0 {
		t.Errorf("GitHub was asked %d times", n)
	}
	r.exec(t, "UPDATE codex_release SET looking_until = now() - interval '1 second'")
	if got := r.check(t); got.Source != release.SourceGitHub {
		t.Errorf("when its time is over: got %+v", got)
	}
}

// A gateway that stops in the middle of a look does not call that GitHub's fault.
func TestAnInterruptedLook(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx, stop := context.WithCancel(t.Context())
	r.api.Answer(func(_ http.ResponseWriter, r *http.Request) {
		stop()
		<-r.Context().Done()
	})
	if _, err := r.Look(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was cancelled", err)
	}
	if got := r.known(t); got.Reason != "" {
		t.Errorf("got %+v", got)
	}
	r.api.Release("rust-v0.63.0")
	other := release.NewCodex(r.store, github.New(r.api.URL))
	if got, err := other.Check(t.Context(), operator); err != nil || got.Source != release.SourceGitHub {
		t.Errorf("another gateway's look, right then: got %+v, %v", got, err)
	}
}

// Who waits for a look that is never ended makes it.
func TestWaitingForTheDead(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(t, "UPDATE codex_release SET looking_until = now() + interval '2 seconds', looks = 1")
	if got := r.check(t); got.Source != release.SourceGitHub || len(r.api.Asked()) != 1 {
		t.Errorf("got %+v after %d questions", got, len(r.api.Asked()))
	}
}

// A GitHub that never answers is given up, and what is known is told.
func TestAGitHubThatHangs(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.check(t)
	r.api.Answer(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	if got := r.check(t); got.Version != "0.63.0" || got.Source != release.SourceStale || !strings.Contains(got.Reason, "deadline") {
		t.Errorf("got %+v", got)
	}
}

// Without a source nothing is asked and nothing known, whatever another gateway found out.
func TestOff(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.check(t)
	off := release.NewCodex(r.store, nil)
	got, err := off.Check(t.Context(), operator)
	if err != nil || got.Version != "" || got.Source != release.SourceUnknown || got.Reason != "the option github_api is off" {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := off.Known(t.Context()); err != nil || got != (release.Known{Source: release.SourceUnknown}) {
		t.Errorf("got %+v, %v", got, err)
	}
	if n := len(r.api.Asked()); n != 1 {
		t.Errorf("GitHub was asked %d times, want once", n)
	}
}

func TestFill(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	known := release.Known{Version: "0.63.0", CheckedAt: at, Source: release.SourceCache}
	for name, c := range map[string]struct {
		known  release.Known
		before api.Versions
		want   string
	}{
		"known":   {known, api.Versions{ClientVersionSource: "unknown"}, `"client_version":"0.63.0","client_version_checked_at":"2026-11-25T12:00:00+00:00","client_version_source":"cache"`},
		"unknown": {release.Known{Source: release.SourceUnknown}, api.Versions{ClientVersionSource: "unknown"}, `"client_version":null,"client_version_checked_at":null,"client_version_source":"unknown"`},
		"locked":  {known, api.Versions{ClientVersionSource: "locked", ClientVersion: new("0.61.0")}, `"client_version":"0.61.0","client_version_checked_at":null,"client_version_source":"locked"`},
		"nowhere": {known, api.Versions{}, `"client_version":"0.63.0","client_version_checked_at":"2026-11-25T12:00:00+00:00","client_version_source":"cache"`},
	} {
		c.known.Fill(&c.before)
		text, err := json.Marshal(c.before)
		if err != nil || !strings.Contains(string(text), c.want) {
			t.Errorf("%s: got %s, %v; want %s", name, text, err, c.want)
		}
	}
}
