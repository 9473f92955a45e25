package pagetest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cdxgate/cdxgate/internal/pagetest"
)

// recorder is a test that remembers what it was told.
type recorder struct {
	testing.TB
	failures []string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		``: "",
		`<p id="a">x</p><label for="b">B</label>`:        `for="b"`,
		`<p id="a">x</p><p id="a">y</p>`:                 `2 elements have the id "a"`,
		`<h1>Another</h1>`:                               "got 2 h1",
		`<p style="color: red">x</p>`:                    "style=",
		`<p onclick="x()">x</p>`:                         "onclick=",
		`<style>p {}</style>`:                            "<style>",
		`<script>x()</script>`:                           "inline script",
		`<script src="https://x.example/"></script>`:     "not a path of ours",
		`<script src="/dashboard/x.js"></script>`:        "",
		`<a href="javascript:x()">x</a>`:                 "javascript:",
		`<a href="https://x.example/">x</a>`:             "",
		`<img src="//x.example/x.png">`:                  "not a path of ours",
		`<form action="https://x.example/"></form>`:      "not a path of ours",
		`<div hx-get="https://x.example/"></div>`:        "not a path of ours",
		`<iframe></iframe>`:                              "<iframe>",
		`<input name="n">`:                               `"n" has no label`,
		`<label>N <input name="n"></label>`:              "",
		`<input name="n" aria-label="N">`:                "",
		`<input name="n" id="n"><label for="n"></label>`: "",
		`<input name="n" type="hidden">`:                 "",
		`<button commandfor="nothing">x</button>`:        `commandfor="nothing"`,
	} {
		r := &recorder{TB: t}
		pagetest.Check(r, "page", []byte("<!DOCTYPE html><h1>Page</h1>"+body))
		got := strings.Join(r.failures, "\n")
		if want == "" && got != "" || want != "" && (len(r.failures) != 1 || !strings.Contains(got, want)) {
			t.Errorf("%s: got %q, want one failure with %q", body, got, want)
		}
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	page := []byte("<h1>One</h1><script>two</script><p>three\n<b>&lt;four&gt;</b></p>")
	if got, want := pagetest.Text(t, page), "One three <four>"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
