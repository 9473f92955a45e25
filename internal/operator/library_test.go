package operator

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
	"github.com/cdxgate/cdxgate/internal/library"
)

const triage = "---\ndescription: Sort bugs\nargument-hint: <area>\n---\nSort the bugs in $1."

// add stores a text as library add does, and forgets what was said.
func (d *desk) add(t *testing.T, name, text string) {
	t.Helper()
	d.In = strings.NewReader(text)
	must(t, d.LibraryAdd(t.Context(), "-", LibraryAddOptions{Name: name}))
	d.said()
}

// push offers a text as a host does.
func (d *desk) push(t *testing.T, key, name, text string) {
	t.Helper()
	a := d.g.Do(t, gatewaytest.Request{Path: "/slash-commands/store", Key: key, Body: map[string]string{"filename": name, "prompt": text}})
	if a.Status != 200 {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
}

// rows are the lines of a table, with one blank between cells.
func rows(out string) (lines []string) {
	for line := range strings.Lines(out) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return lines
}

func TestLibraryAdd(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	must(t, d.LibraryList(t.Context()))
	if out, words := d.said(); out != "" || words != "No commands yet. Add one: cdxgate library add FILE\n" {
		t.Errorf("got %q, %q", out, words)
	}
	path := filepath.Join(t.TempDir(), "triage.md")
	must(t, os.WriteFile(path, []byte(triage), 0o600))
	for _, words := range []string{"✓ triage.md is a command now; hosts get it when they next ask\n", "✓ triage.md is that already, version 1\n"} {
		must(t, d.LibraryAdd(t.Context(), path, LibraryAddOptions{}))
		if out, got := d.said(); out != "" || got != words {
			t.Errorf("got %q, %q; want %q", out, got, words)
		}
	}
	must(t, os.WriteFile(path, []byte("two\r\n"), 0o600))
	must(t, d.LibraryAdd(t.Context(), path, LibraryAddOptions{}))
	if _, words := d.said(); words != "✓ triage.md is version 2 now; hosts get it when they next ask\n" {
		t.Errorf("got %q", words)
	}
	must(t, d.LibraryShow(t.Context(), "triage.md"))
	if out, words := d.said(); out != "two\r\n" || words != "" {
		t.Errorf("got %q, %q; want the text as it is", out, words)
	}
	d.JSON = true
	d.In = strings.NewReader(triage)
	must(t, d.LibraryAdd(t.Context(), "-", LibraryAddOptions{Name: "other.md"}))
	type added struct {
		Status  string
		Command shownCommand
	}
	if got := document[added](t, d); got.Status != "created" || got.Command.Filename != "other.md" || *got.Command.Description != "Sort bugs" || got.Command.Author != d.by.Name || got.Command.Prompt != nil {
		t.Errorf("got %+v", got)
	}
	must(t, d.LibraryShow(t.Context(), "other.md"))
	if got := document[added](t, d).Command; *got.Prompt != triage || *got.ArgumentHint != "<area>" || len(got.SHA256) != 64 {
		t.Errorf("got %+v", got)
	}
	must(t, d.LibraryList(t.Context()))
	if all := document[struct{ Commands []shownCommand }](t, d).Commands; len(all) != 2 || all[0].Filename != "other.md" || all[1].Version != 2 || !all[1].DeletedAt.IsZero() {
		t.Errorf("got %+v", all)
	}

	for name, c := range map[string]struct{ text, command string }{
		"no text": {"", "a.md"}, "NUL": {"a\x00", "a.md"}, "no UTF-8": {"\xff", "a.md"}, "huge": {strings.Repeat("x", 300_000), "a.md"},
		"no name": {"x", ""}, "a path": {"x", "../a.md"}, "a namesake": {"x", "TRIAGE.md"},
	} {
		d.In = strings.NewReader(c.text)
		if err := d.LibraryAdd(t.Context(), "-", LibraryAddOptions{Name: c.command}); errs.Of(err) == nil || errs.Of(err).Kind != errs.Invalid {
			t.Errorf("%s: got %.100v, want a refusal", name, err)
		}
	}
	if err := d.LibraryAdd(t.Context(), filepath.Join(t.TempDir(), "absent.md"), LibraryAddOptions{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v for a file that is not there", err)
	}
	if n := d.g.Int(t, "SELECT count(*) FROM audit_entry WHERE action = 'slash.store' AND actor_kind = 'operator'"); n != 3 {
		t.Errorf("got %d entries, want one for each version", n)
	}
}

func TestLibraryRetireAndRestore(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.add(t, "triage.md", triage)
	d.add(t, "triage.md", "two")
	if err := d.LibraryRemove(t.Context(), "triage.md"); !errors.Is(err, ErrDeclined) || !strings.Contains(err.Error(), "--yes") {
		t.Errorf("got %v, want a question that nobody answered", err)
	}
	d.Yes = true
	must(t, d.LibraryRemove(t.Context(), "triage.md"))
	if out, words := d.said(); out != "" || words != "✓ triage.md is retired. To have it back: cdxgate library restore triage.md 2\n" {
		t.Errorf("got %q, %q", out, words)
	}
	for name, reason := range map[string]string{"triage.md": "retired already", "none.md": "cdxgate library list"} {
		if err := d.LibraryRemove(t.Context(), name); !errors.Is(err, library.ErrNotFound) || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: got %v, want %q in it", name, err, reason)
		}
	}
	must(t, d.LibraryList(t.Context()))
	out, _ := d.said()
	if got := rows(out); got[0] != "NAME STATE VERSION CHANGED BY DESCRIPTION" || got[1] != "triage.md retired 2 just now "+d.by.Name+" -" {
		t.Errorf("got\n%s", out)
	}
	must(t, d.LibraryShow(t.Context(), "triage.md"))
	if out, words := d.said(); out != "two" || words != "! triage.md is retired: hosts do not have it\n" {
		t.Errorf("got %q, %q", out, words)
	}
	must(t, d.LibraryRestore(t.Context(), "triage.md", "1"))
	if out, words := d.said(); out != "" || words != "✓ triage.md is version 3 now; hosts get it when they next ask\n" {
		t.Errorf("got %q, %q", out, words)
	}
	must(t, d.LibraryVersions(t.Context(), "triage.md"))
	out, _ = d.said()
	want := []string{"VERSION MADE BY BYTES DESCRIPTION", "3 just now " + d.by.Name + " 73 Sort bugs", "2 just now " + d.by.Name + " 3 -", "1 just now " + d.by.Name + " 73 Sort bugs"}
	if got := rows(out); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s", out)
	}
	for _, number := range []string{"", "0", "-1", "x", "1.0", "99999999999999999999"} {
		if err := d.LibraryRestore(t.Context(), "triage.md", number); errs.Of(err) == nil || errs.Of(err).Kind != errs.Invalid {
			t.Errorf("%q: got %v, want a refusal", number, err)
		}
	}
	for _, name := range []string{"triage.md", "none.md"} {
		if err := d.LibraryRestore(t.Context(), name, "9"); !errors.Is(err, library.ErrNotFound) || !strings.Contains(err.Error(), "cdxgate library versions "+name) {
			t.Errorf("got %v, want where the versions are", err)
		}
	}
	for name, err := range map[string]error{"show": d.LibraryShow(t.Context(), "none.md"), "versions": d.LibraryVersions(t.Context(), "none.md")} {
		if !errors.Is(err, library.ErrNotFound) || !strings.Contains(err.Error(), "cdxgate library list") {
			t.Errorf("%s: got %v, want where the commands are", name, err)
		}
	}

	d.JSON = true
	must(t, d.LibraryVersions(t.Context(), "triage.md"))
	versions := document[struct {
		Filename string
		Versions []shownVersion
	}](t, d)
	if all := versions.Versions; versions.Filename != "triage.md" || len(all) != 3 || all[0].Version != 3 || all[0].SizeBytes != 73 || all[2].SHA256 != all[0].SHA256 {
		t.Errorf("got %+v", versions)
	}
	must(t, d.LibraryRestore(t.Context(), "triage.md", "3"))
	if got := document[map[string]any](t, d); got["status"] != "unchanged" {
		t.Errorf("got %v", got)
	}
	must(t, d.LibraryRemove(t.Context(), "triage.md"))
	if got := document[map[string]string](t, d); got["retired"] != "triage.md" {
		t.Errorf("got %v", got)
	}
}

func TestLibraryProposals(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	key := d.g.Register(t, "build7.example").Key.Reveal()
	must(t, d.LibraryProposals(t.Context()))
	if out, words := d.said(); out != "" || words != "Nothing waits to be decided\n" {
		t.Errorf("got %q, %q", out, words)
	}
	d.add(t, "triage.md", "one")
	d.push(t, key, "triage.md", triage)
	d.push(t, key, "new.md", "x\r\n")
	must(t, d.LibraryProposals(t.Context()))
	out, _ := d.said()
	want := "ID NAME HOST MADE BYTES CHANGES\n1 triage.md build7.example just now 73 version 1\n2 new.md build7.example just now 3 new"
	if got := strings.Join(rows(out), "\n"); got != want {
		t.Errorf("got\n%s", out)
	}
	must(t, d.LibraryProposal(t.Context(), "1"))
	out, words := d.said()
	if out != triage {
		t.Errorf("got %q, want the text alone", out)
	}
	for _, fact := range []string{
		"proposal  1, waits\n", "command   triage.md\n", "host      build7.example\n", "changes   version 1\n", "says      Sort bugs\n", "arguments <area>\n",
	} {
		if !strings.Contains(words, fact) {
			t.Errorf("got\n%s, want %q in it", words, fact)
		}
	}

	d.add(t, "triage.md", "two")
	err := d.LibraryAccept(t.Context(), "1", LibraryAcceptOptions{})
	if !errors.Is(err, library.ErrProposalStale) || !strings.Contains(err.Error(), "cdxgate library show triage.md") || !strings.Contains(err.Error(), "--force") {
		t.Errorf("got %v, want what to compare and how to go on", err)
	}
	must(t, d.LibraryAccept(t.Context(), "1", LibraryAcceptOptions{Force: true}))
	if out, words := d.said(); out != "" || words != "✓ triage.md is what build7.example proposed, version 3; hosts get it when they next ask\n" {
		t.Errorf("got %q, %q", out, words)
	}
	must(t, d.LibraryDiscard(t.Context(), "2"))
	if out, words := d.said(); out != "" || words != "✓ proposal 2, new.md of build7.example, is discarded\n" {
		t.Errorf("got %q, %q", out, words)
	}
	for name, err := range map[string]error{
		"accepting": d.LibraryAccept(t.Context(), "2", LibraryAcceptOptions{Force: true}), "discarding": d.LibraryDiscard(t.Context(), "1"),
	} {
		if !errors.Is(err, library.ErrProposalDecided) {
			t.Errorf("%s: got %v, want %v", name, err, library.ErrProposalDecided)
		}
	}
	must(t, d.LibraryProposal(t.Context(), "1"))
	if _, words := d.said(); !strings.Contains(words, "proposal  1, accepted by "+d.by.Name+", ") {
		t.Errorf("got\n%s", words)
	}
	for name, act := range map[string]func(string) error{
		"show":    func(id string) error { return d.LibraryProposal(t.Context(), id) },
		"accept":  func(id string) error { return d.LibraryAccept(t.Context(), id, LibraryAcceptOptions{}) },
		"discard": func(id string) error { return d.LibraryDiscard(t.Context(), id) },
	} {
		if err := act("99"); !errors.Is(err, library.ErrNoProposal) || !strings.Contains(err.Error(), "cdxgate library proposals") {
			t.Errorf("%s: got %v, want where the proposals are", name, err)
		}
		if err := act("x"); errs.Of(err).Kind != errs.Invalid {
			t.Errorf("%s: got %v for what is no number", name, err)
		}
	}

	d.JSON = true
	d.push(t, key, "new.md", "y")
	must(t, d.LibraryProposals(t.Context()))
	if all := document[struct{ Proposals []listedProposal }](t, d).Proposals; len(all) != 1 || all[0].ID != 3 || all[0].FQDN != "build7.example" || all[0].SizeBytes != 1 {
		t.Errorf("got %+v", all)
	}
	must(t, d.LibraryProposal(t.Context(), "2"))
	if p := document[struct{ Proposal shownProposal }](t, d).Proposal; p.Prompt != "x\r\n" || *p.Decision != "discarded" || *p.DecidedBy != d.by.Name || p.SizeBytes != 3 {
		t.Errorf("got %+v", p)
	}
	must(t, d.LibraryAccept(t.Context(), "3", LibraryAcceptOptions{}))
	if got := document[struct{ Command shownCommand }](t, d).Command; got.Filename != "new.md" || got.Author != "build7.example" {
		t.Errorf("got %+v", got)
	}
	d.push(t, key, "new.md", "z")
	must(t, d.LibraryDiscard(t.Context(), "4"))
	if got := document[map[string]int64](t, d); got["discarded"] != 4 {
		t.Errorf("got %v", got)
	}
}

// A host says what it likes; the terminal of whoever looks at it must not do it.
func TestHostileText(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	key := d.g.Register(t, "build7.example").Key.Reveal()
	const evil = "---\ndescription: a\x1b]0;b\x07 \u009b2J \u202ec\u2069\n---\n\x1b[2J"
	d.push(t, key, "evil.md", evil)
	must(t, d.LibraryProposal(t.Context(), "1"))
	if out, words := d.said(); out != evil || !strings.Contains(words, `says      a\u001b]0;b\u0007 \u009b2J \u202ec\u2069`+"\n") {
		t.Errorf("got %q, %q; want the text as it is, and words that can be looked at", out, words)
	}
	must(t, d.LibraryAccept(t.Context(), "1", LibraryAcceptOptions{}))
	must(t, d.LibraryList(t.Context()))
	must(t, d.LibraryVersions(t.Context(), "evil.md"))
	if out, words := d.said(); strings.ContainsAny(out+words, "\x1b\x07\u009b\u202e") || strings.Count(out, `\u001b]0;b\u0007`) != 2 {
		t.Errorf("got %q, %q", out, words)
	}
	d.JSON = true
	must(t, d.LibraryProposal(t.Context(), "1"))
	if strings.ContainsAny(d.out.String(), "\x1b\x07\u009b\u202e") {
		t.Errorf("got %q", d.out)
	}
	if got := document[struct{ Proposal shownProposal }](t, d).Proposal.Prompt; got != evil {
		t.Errorf("got %q, want %q", got, evil)
	}
}

func TestVisible(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "", "plain ä 漢 \U0001F600 \u3000\u00a0": "plain ä 漢 \U0001F600 \u3000\u00a0",
		"\x00\x1b\x7f\u0085\u009b": `\u0000\u001b\u007f\u0085\u009b`,
		"a\r\nb\tc":                `a\u000d` + "\nb\tc",
		"\u200b\u202e\u2028\ufeff": `\u200b\u202e\u2028\ufeff`,
		"\U000e0041":               `\udb40\udc41`,
		"a\xffb":                   "a\ufffdb",
	} {
		if got := visible(text, "\n\t"); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	if got := visible("a\n\tb", ""); got != `a\u000a\u0009b` {
		t.Errorf("got %q in a cell", got)
	}
	for text, want := range map[string]string{"": "", "äbc": "äbc", "äbcd": "äb…"} {
		if got := clip(text, 3); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
