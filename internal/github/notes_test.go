package github_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/cdxgate/cdxgate/internal/github"
)

// Notes are text that can be kept and shown, of a bounded size, or nothing; whatever they are, the version is known.
func TestNotes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body string // as JSON; "": there is none
		want string
	}{
		"text":                {`"## New\r\n\r\n\t* a <b>\n"`, "## New\n\n\t* a <b>"},
		"none":                {"", ""},
		"null":                {"null", ""},
		"blanks":              {`" \n\t\r\n "`, ""},
		"a number":            {"7", ""},
		"an object":           {`{"a":"b"}`, ""},
		"a script":            {`"<script>alert(1)</script>"`, "<script>alert(1)</script>"},
		"zero bytes":          {`"a\u0000b"`, "a\ufffdb"},
		"a terminal's":        {`"\u001b[31mred\u009b0m\u007f"`, "\ufffd[31mred\ufffd0m\ufffd"},
		"another direction":   {`"\u202eevil\u202c \u2066x\u2069 \u200f"`, "\ufffdevil\ufffd \ufffdx\ufffd \ufffd"},
		"no UTF-8":            {"\"a\xff\xc3(\"", "a\ufffd\ufffd("},
		"half of a surrogate": {`"a\ud800b"`, "a\ufffdb"},
		"a carriage return":   {`"safe\rhidden"`, "safe\ufffdhidden"},
		"just fits":           {`"` + strings.Repeat("x", github.MaxNotes) + `"`, strings.Repeat("x", github.MaxNotes)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer := `{"tag_name":"rust-v0.63.0"}`
			if c.body != "" {
				answer = `{"tag_name":"rust-v0.63.0","body":` + c.body + `}`
			}
			if got := released(t, answer); got.Version != "0.63.0" || got.Notes != c.want {
				t.Errorf("got %+v, want %q", got, c.want)
			}
		})
	}
	for _, letter := range []string{"x", "ä", "\u0000", "😀"} {
		body, err := json.Marshal(strings.Repeat(letter, github.MaxNotes+1))
		if err != nil {
			t.Fatal(err)
		}
		got := released(t, `{"tag_name":"rust-v0.63.0","body":`+string(body)+`}`).Notes
		if len(got) > github.MaxNotes || len(got) < github.MaxNotes-4 || !utf8.ValidString(got) || !strings.HasSuffix(got, "\n\n… GitHub has the rest.") || strings.Count(got, "\ufffd") > len(got)/3 {
			t.Errorf("%q: got %d bytes that end with %q", letter, len(got), got[len(got)-40:])
		}
	}
}

// released is what a client makes of an answer.
func released(t *testing.T, answer string) github.Release {
	t.Helper()
	server := httptest.NewServer(says("application/json", answer))
	defer server.Close()
	got, err := github.New(server.URL).Latest(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// When a release was published is a moment that can be, or nothing.
func TestPublished(t *testing.T) {
	t.Parallel()
	want := time.Date(2026, 11, 20, 8, 30, 0, 0, time.UTC)
	for at, good := range map[string]bool{
		`"2026-11-20T08:30:00Z"`: true, `"2026-11-20T09:30:00+01:00"`: true, `"0001-01-01T00:00:00Z"`: false, `"9999-12-31T23:59:59Z"`: false,
		`"yesterday"`: false, `1764000000`: false, `null`: false, `{}`: false, `""`: false,
	} {
		got := released(t, fmt.Sprintf(`{"tag_name":"rust-v0.63.0","published_at":%s}`, at)).PublishedAt
		if good && got != want || !good && !got.IsZero() {
			t.Errorf("%s: got %s", at, got)
		}
	}
}

// Only a version that is one leads to GitHub.
func TestPageOf(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]string{
		"0.63.0": "https://github.com/openai/codex/releases/tag/rust-v0.63.0",
		"":       "", "0.63": "", "0.63.0-alpha.1": "", "0.063.0": "", "0.63.0\n": "", "../../evil": "", "0.63.0/../../../evil": "", "0.63.0?x": "", "0.63.0#x": "", `0.63.0"`: "",
	} {
		if got := github.PageOf(version); got != want {
			t.Errorf("%q: got %q, want %q", version, got, want)
		}
	}
}
