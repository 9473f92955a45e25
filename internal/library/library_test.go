package library_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/internal/library"
)

func TestStoreKeepsVersions(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	host := r.host(t, "build7.example")

	first := r.mustStore(t, " triage.md ", "one", library.Created)
	if first.LibraryFile.Name != "triage.md" || first.LibraryFile.Version != 1 || first.LibraryVersion.Author != "root" || first.LibraryVersion.SourceHostID != nil {
		t.Errorf("got %+v", first)
	}
	r.clock.pass(time.Hour)
	r.mustStore(t, "triage.md", "one", library.Unchanged)
	if row, err := r.Get(t.Context(), "triage.md"); err != nil || !row.LibraryFile.UpdatedAt.Equal(first.LibraryFile.UpdatedAt) {
		t.Errorf("got %+v, %v; want nothing touched", row, err)
	}
	outcome, second, err := r.Store(t.Context(), draft("triage.md", "two"), host)
	if err != nil || outcome != library.Updated || second.LibraryFile.Version != 2 || !second.LibraryFile.UpdatedAt.Equal(r.clock.now()) {
		t.Errorf("got %q, %+v, %v", outcome, second, err)
	}
	if v := second.LibraryVersion; v.Author != "build7.example" || v.SourceHostID == nil || *v.SourceHostID != host.Host.ID {
		t.Errorf("got version %+v, want the host's", v)
	}
	// The same text that says something else about itself is another version.
	described := draft("triage.md", "two")
	described.Description = new(" Sorts bugs ")
	if outcome, third, err := r.Store(t.Context(), described, operator); err != nil || outcome != library.Updated || *third.LibraryVersion.Description != "Sorts bugs" {
		t.Errorf("got %q, %+v, %v", outcome, third, err)
	}

	versions, err := r.Versions(t.Context(), "triage.md")
	if err != nil || len(versions) != 3 {
		t.Fatalf("got %+v, %v; want three versions", versions, err)
	}
	for i, want := range []string{"3 root", "2 build7.example", "1 root"} {
		if got := fmt.Sprint(versions[i].Number, " ", versions[i].Author); got != want || versions[i].SizeBytes != 3 {
			t.Errorf("got %s, %d bytes; want %s, 3 bytes", got, versions[i].SizeBytes, want)
		}
	}
	if n := r.entries(t, "slash.store"); n != 3 {
		t.Errorf("got %d entries, want one for each version", n)
	}
	if n := value[int64](t, r, "SELECT host_id FROM audit_entry WHERE details->>'version' = '2' AND details->>'sha256' = $1 AND details->>'status' = 'updated'", sum("two")); n != host.Host.ID {
		t.Errorf("got an entry about host %d, want %d", n, host.Host.ID)
	}
	// The host's text outlives the host.
	r.remove(t, host)
	if versions, err := r.Versions(t.Context(), "triage.md"); err != nil || versions[1].Author != "build7.example" {
		t.Errorf("got %+v, %v", versions, err)
	}
	for _, name := range []string{"none.md", "TRIAGE.md", ""} {
		_, err := r.Versions(t.Context(), name)
		is(t, name, err, library.ErrNotFound)
	}
	for _, name := range []string{"none.md", "TRIAGE.md", "", "triage.md\x00", "\xff.md", " triage.md"} {
		_, err := r.Get(t.Context(), name)
		is(t, name, err, library.ErrNotFound)
	}
}

func TestStoreRefuses(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.mustStore(t, "A.md", "one", library.Created)
	const short = "Über 255 Zeichen: "
	for name, c := range map[string]struct {
		draft       library.Draft
		field, text string
	}{
		"no name":        {draft(" ", "x"), "filename", "filename is required"},
		"another case":   {draft("a.md", "x"), "filename", "filename differs only in case from A.md, which would be the same file on some hosts"},
		"no text":        {draft("b.md", " \r\n\t"), "prompt", "prompt is required"},
		"too long":       {draft("b.md", strings.Repeat("x", 262145)), "prompt", "prompt must be 262144 bytes or fewer"},
		"no UTF-8":       {draft("b.md", "a\xff"), "prompt", "prompt must be text without NUL characters"},
		"NUL":            {draft("b.md", "a\x00b"), "prompt", "prompt must be text without NUL characters"},
		"no digest":      {library.Draft{Name: "b.md", Content: "x", SHA256: "abc"}, "sha256", "sha256 must be 64 hex characters"},
		"another digest": {library.Draft{Name: "b.md", Content: "x", SHA256: sum("y")}, "sha256", "sha256 does not match prompt contents"},
		"no base":        {library.Draft{Name: "b.md", Content: "x", BaseSHA256: "abc"}, "base_sha256", "base_sha256 must be 64 hex characters"},
		"long description": {
			library.Draft{Name: "b.md", Content: "x", Description: new(strings.Repeat("ü", 256))}, "description", "description must be 255 characters or fewer",
		},
		"long hint in the front matter": {
			draft("b.md", "---\nargument-hint: "+strings.Repeat("x", 256)+"\n---\n"), "argument_hint", "argument_hint must be 255 characters or fewer",
		},
		"NUL in the hint": {
			library.Draft{Name: "b.md", Content: "x", ArgumentHint: new("a\x00b")}, "argument_hint", "argument_hint must be text without NUL characters",
		},
		"of both the description is said": {
			library.Draft{Name: "b.md", Content: "x", Description: new(strings.Repeat("x", 256)), ArgumentHint: new(strings.Repeat("x", 256))},
			"description", "description must be 255 characters or fewer",
		},
	} {
		_, _, err := r.Store(t.Context(), c.draft, operator)
		invalid(t, name, err, c.field, c.text)
	}
	longest := library.Draft{
		Name: "b.md", Content: strings.Repeat("x", 262144),
		Description: new(short + strings.Repeat("ü", 255-len([]rune(short)))), ArgumentHint: new(strings.Repeat("\U0001F600", 255)),
	}
	if _, _, err := r.Store(t.Context(), longest, operator); err != nil {
		t.Errorf("got %v for the longest of everything", err)
	}
	if n := r.entries(t, "slash.store"); n != 2 {
		t.Errorf("got %d entries, want none for what was refused", n)
	}
}

func TestBase(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	based := func(content, base string) error {
		_, _, err := r.Store(t.Context(), library.Draft{Name: "triage.md", Content: content, BaseSHA256: base}, operator)
		return err
	}
	is(t, "there is no file", based("one", sum("zero")), library.ErrBaseMismatch)
	r.mustStore(t, "triage.md", "one", library.Created)
	is(t, "the current text", based("two", strings.ToUpper(sum("one"))), nil)
	is(t, "an older text", based("three", sum("one")), library.ErrBaseMismatch)
	is(t, "retiring", r.Delete(t.Context(), "triage.md", nil, operator), nil)
	is(t, "retired since", based("three", sum("two")), library.ErrBaseMismatch)
	is(t, "whatever is current", based("three", ""), nil)
	r.is(t, "triage.md", "three", 3)
}

func TestRetireAndRestore(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.mustStore(t, "triage.md", "---\ndescription: D\nargument-hint: <a>\n---\none", library.Created)
	r.mustStore(t, "triage.md", "two", library.Updated)
	r.clock.pass(time.Hour)

	is(t, "unknown", r.Delete(t.Context(), "none.md", nil, operator), library.ErrNotFound)
	is(t, "retiring", r.Delete(t.Context(), "triage.md", nil, operator), nil)
	is(t, "retired already", r.Delete(t.Context(), "triage.md", nil, operator), library.ErrNotFound)
	row, err := r.Get(t.Context(), "triage.md")
	if err != nil || row.LibraryFile.DeletedAt == nil || !row.LibraryFile.DeletedAt.Equal(r.clock.now()) || row.LibraryVersion.Content != "two" {
		t.Errorf("got %+v, %v; want the retired command with its text", row, err)
	}
	if all, err := r.List(t.Context()); err != nil || len(all) != 1 || all[0].DeletedAt == nil {
		t.Errorf("got %+v, %v; want the retired one in the list", all, err)
	}
	// With the text that it had: a command is revived, although nothing about it is different.
	r.mustStore(t, "triage.md", "two", library.Updated)
	r.is(t, "triage.md", "two", 3)

	for name, number := range map[string]int64{"triage.md": 4, "none.md": 1, "Triage.md": 1} {
		_, _, err := r.Restore(t.Context(), name, number, nil, operator)
		is(t, name, err, library.ErrNotFound)
	}
	outcome, current, err := r.Restore(t.Context(), "triage.md", 1, nil, operator)
	if err != nil || outcome != library.Updated || current.LibraryFile.Version != 4 || *current.LibraryVersion.Description != "D" || *current.LibraryVersion.ArgumentHint != "<a>" {
		t.Errorf("got %q, %+v, %v; want version 1 as version 4", outcome, current, err)
	}
	if outcome, _, err := r.Restore(t.Context(), "triage.md", 1, nil, operator); err != nil || outcome != library.Unchanged {
		t.Errorf("got %q, %v; want it to be that already", outcome, err)
	}
	is(t, "retiring", r.Delete(t.Context(), "triage.md", nil, operator), nil)
	if outcome, _, err := r.Restore(t.Context(), "triage.md", 4, nil, operator); err != nil || outcome != library.Updated {
		t.Errorf("got %q, %v; want the retired one back", outcome, err)
	}
	r.is(t, "triage.md", "---\ndescription: D\nargument-hint: <a>\n---\none", 5)
	got := fmt.Sprint(r.entries(t, "slash.store"), r.entries(t, "slash.delete"), r.entries(t, "slash.restore"))
	if got != "3 2 2" {
		t.Errorf("got %s entries of storing, retiring, restoring; want 3 2 2", got)
	}
}

func TestPrune(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for i := range 55 {
		_, _, err := r.Store(t.Context(), draft("often.md", fmt.Sprint(i)), operator)
		is(t, "storing", err, nil)
	}
	r.mustStore(t, "once.md", "x", library.Created)
	host := r.host(t, "build7.example")
	decided, pending := r.mustPropose(t, "decided.md", "x", host), r.mustPropose(t, "pending.md", "x", host)
	is(t, "discarding", r.Discard(t.Context(), decided, operator), nil)

	if n, err := r.Prune(t.Context()); n != 5 || err != nil {
		t.Errorf("got %d, %v; want the 5 oldest versions pruned", n, err)
	}
	versions, err := r.Versions(t.Context(), "often.md")
	if err != nil || len(versions) != 50 || versions[0].Number != 55 || versions[49].Number != 6 {
		t.Errorf("got %d versions, %v; want 6 to 55", len(versions), err)
	}
	_, _, err = r.Restore(t.Context(), "often.md", 5, nil, operator)
	is(t, "restoring what was pruned", err, library.ErrNotFound)

	r.clock.pass(90 * 24 * time.Hour)
	if n, err := r.Prune(t.Context()); n != 0 || err != nil {
		t.Errorf("got %d, %v; want nothing pruned on the last day", n, err)
	}
	r.clock.pass(time.Second)
	if n, err := r.Prune(t.Context()); n != 1 || err != nil {
		t.Errorf("got %d, %v; want the decided proposal pruned", n, err)
	}
	_, err = r.Proposal(t.Context(), decided)
	is(t, "reading what was pruned", err, library.ErrNoProposal)
	if waiting, err := r.Proposals(t.Context()); err != nil || len(waiting) != 1 || waiting[0].ID != pending {
		t.Errorf("got %+v, %v; want what nobody decided", waiting, err)
	}
}

// A host that was removed, or got a new key, since its call was let in is nobody who may still say something.
func TestHostGoneMeanwhile(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	removed, rekeyed := r.host(t, "removed.example"), r.host(t, "rekeyed.example")
	r.remove(t, removed)
	if _, err := r.fleet.Register(t.Context(), fleet.Registration{FQDN: "rekeyed.example", Rekey: true}, operator.Actor); err != nil {
		t.Fatal(err)
	}
	for _, host := range []library.Author{removed, rekeyed} {
		_, _, err := r.Store(t.Context(), draft("a.md", "x"), host)
		is(t, host.Name+" stores", err, fleet.ErrKeyInvalid)
		_, _, err = r.Propose(t.Context(), draft("a.md", "x"), host)
		is(t, host.Name+" proposes", err, fleet.ErrKeyInvalid)
	}
	if all, err := r.List(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("got %+v, %v; want no command", all, err)
	}
}
