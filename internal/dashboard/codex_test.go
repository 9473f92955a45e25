package dashboard_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
	"github.com/cdxgate/cdxgate/internal/github"
	"github.com/cdxgate/cdxgate/internal/github/githubtest"
	"github.com/cdxgate/cdxgate/internal/pagetest"
)

// toGitHub is the way to a release in a new tab that learns nothing of this one.
func toGitHub(version string) string {
	return `href="https://github.com/openai/codex/releases/tag/rust-v` + version + `" target="_blank" rel="noopener noreferrer"`
}

// Each role reads what is new in the fleet's Codex, by links from where the version stands; GitHub is not asked for it.
func TestReleaseNotes(t *testing.T) {
	t.Parallel()
	api := githubtest.New(t, "rust-v0.63.0")
	api.Notes("rust-v0.63.0", "## New\n\n- faster")
	b := newBrowser(t, gatewaytest.Options{GitHub: api.URL})
	queries := b.noteQueries()
	operator := b.session(t, access.Operator)
	if page := string(b.visit(t, operator, "/dashboard/codex/0.63.0").Body); !strings.Contains(page, "Its release notes are not known") || !strings.Contains(page, toGitHub("0.63.0")) {
		t.Errorf("before anybody looked: got %s", page)
	}
	b.post(t, operator, settings+"/codex/check")
	b.fill(t) // an overview without hosts leads to the first host
	for _, role := range []access.Role{access.Viewer, access.Operator, access.Owner} {
		in := b.session(t, role)
		var a *gatewaytest.Answer
		names := queries.during(func() { a = b.visit(t, in, "/dashboard/codex/0.63.0") })
		pagetest.Check(t, string(role), a.Body)
		if page := string(a.Body); a.Status != 200 || !strings.Contains(page, ">## New\n\n- faster</pre>") || !strings.Contains(page, `datetime="2026-11-20T08:30:00Z"`) || !strings.Contains(page, toGitHub("0.63.0")) {
			t.Errorf("%s: got %d %s", role, a.Status, page)
		}
		if len(names) > 3 {
			t.Errorf("%s: got the queries %q, want 3 at most", role, names)
		}
		for _, path := range []string{"/dashboard/", settings} {
			if page := string(b.visit(t, in, path).Body); !strings.Contains(page, `href="/dashboard/codex/0.63.0"`) {
				t.Errorf("%s: %s has no link to the notes: %s", role, path, page)
			}
		}
	}
	b.post(t, operator, settings+"/codex", "version", "0.60.0", "tag", b.tag(t, operator, "codex"))
	if page := string(b.visit(t, operator, settings).Body); !strings.Contains(page, `href="/dashboard/codex/0.60.0"`) || !strings.Contains(page, `href="/dashboard/codex/0.63.0"`) {
		t.Errorf("a locked version: got %s", page)
	}
	if page := string(b.visit(t, operator, "/dashboard/codex/0.60.0").Body); !strings.Contains(page, "Its release notes are not known") || !strings.Contains(page, toGitHub("0.60.0")) {
		t.Errorf("a version that was not the newest: got %s", page)
	}
	if n := len(api.Asked()); n != 1 {
		t.Errorf("GitHub was asked %d times, want once", n)
	}
	if a := b.visit(t, http.Header{}, "/dashboard/codex/0.63.0"); a.Status != http.StatusUnauthorized || strings.Contains(string(a.Body), "faster") {
		t.Errorf("nobody: got %d %s", a.Status, a.Body)
	}
}

// What a release says is text, however it is written and however much there is, and an address that is no version is none.
func TestHostileReleaseNotes(t *testing.T) {
	t.Parallel()
	api := githubtest.New(t, "rust-v0.63.0")
	b := newBrowser(t, gatewaytest.Options{GitHub: api.URL})
	in := b.session(t, access.Operator)
	for _, notes := range []string{
		evil, "</pre></section><form action=https://evil.example>", "[click](javascript:alert(1)) ![x](https://evil.example/x.png)", "{{7*7}}</title></textarea>", "' onmouseover='alert(1)",
		strings.Repeat("<b>", github.MaxNotes/3),
	} {
		api.Notes("rust-v0.63.0", notes)
		b.post(t, in, settings+"/codex/check")
		a := b.visit(t, in, "/dashboard/codex/0.63.0")
		pagetest.Check(t, notes[:min(len(notes), 30)], a.Body)
		if a.Status != 200 || !strings.Contains(pagetest.Text(t, a.Body), notes) {
			t.Errorf("the page does not show %.60q as it is: %d", notes, a.Status)
		}
	}
	api.Notes("rust-v0.63.0", "a\x00b\x1b[31m\u202ec")
	b.post(t, in, settings+"/codex/check")
	if page := string(b.visit(t, in, "/dashboard/codex/0.63.0").Body); !strings.Contains(page, ">a\ufffdb\ufffd[31m\ufffdc</pre>") {
		t.Errorf("control characters: got %s", page)
	}
	for _, version := range []string{"latest", "0.63", "0.63.0-alpha.1", "00.63.0", "0.63.0%2f..", "0.63.0%0a", "%3Cscript%3E", "0.63.0%22"} {
		if a := b.visit(t, in, "/dashboard/codex/"+version); a.Status != http.StatusNotFound || strings.Contains(string(a.Body), "github.com") {
			t.Errorf("%s: got %d", version, a.Status)
		}
	}
}

// A release without a text, and a gateway that asks nobody, say so.
func TestNoReleaseNotes(t *testing.T) {
	t.Parallel()
	api := githubtest.New(t, "rust-v0.63.0")
	b := newBrowser(t, gatewaytest.Options{GitHub: api.URL})
	in := b.session(t, access.Operator)
	b.post(t, in, settings+"/codex/check")
	off := newBrowser(t, gatewaytest.Options{})
	for want, a := range map[string]*gatewaytest.Answer{
		"It has no release notes": b.visit(t, in, "/dashboard/codex/0.63.0"), "GitHub is not asked": off.visit(t, off.session(t, access.Viewer), "/dashboard/codex/0.63.0"),
	} {
		pagetest.Check(t, want, a.Body)
		if page := string(a.Body); a.Status != 200 || !strings.Contains(page, want) || !strings.Contains(page, toGitHub("0.63.0")) || strings.Contains(page, "<pre") {
			t.Errorf("got %d %s, want %q", a.Status, page, want)
		}
	}
}
