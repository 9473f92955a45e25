package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/db"
)

func (r *rig) export(t *testing.T, format Format) []string {
	t.Helper()
	var out bytes.Buffer
	must(t, r.Export(t.Context(), &out, format))
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
}

// What is exported can be verified by anybody, without us.
func TestExportedLinesAreWhatWasHashed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.record(t, pageRows+2)
	prev := strings.Repeat("00", 32)
	lines := r.export(t, JSONLine)
	if len(lines) != pageRows+2 {
		t.Fatalf("got %d lines, want %d", len(lines), pageRows+2)
	}
	for i, line := range lines {
		var e Recorded
		must(t, json.Unmarshal([]byte(line), &e))
		text, found := strings.CutSuffix(line, `,"hash":"`+e.Hash+`"}`)
		sum := sha256.Sum256([]byte(text + "}"))
		if !found || hex.EncodeToString(sum[:]) != e.Hash || e.Prev != prev || e.Seq != int64(i+1) || e.Chain != r.chain {
			t.Fatalf("got %s after %s", line, prev)
		}
		prev = e.Hash
	}
	r.wantWhole(t, pageRows+2)
}

func TestSyslogLines(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	must(t, r.store.WithTx(t.Context(), func(q *db.Queries) error {
		return Record(t.Context(), q, Entry{
			At: *r.clock, Actor: Actor{Kind: KindHost, Name: "a\\b\"c]\n<0>1\u009b"}, Action: "an action of many words that is rather long", HostID: 7,
			Details: Details{"text": "two\nlines\u009b]\U000e0001"},
		})
	}))
	lines := r.export(t, SyslogLine("gate way\n"))
	want := regexp.MustCompile(`^<110>1 2026-03-01T12:00:00\.000000Z gate_way_ cdxgate - an_action_of_many_words_that_is_ \[audit@32473 chain="` + r.chain +
		`" seq="1" prev="0{64}" hash="[0-9a-f]{64}" action="an action of many words that is rather long" actorKind="host" ` +
		`actor="a\\\\b\\"c\\\]\\\\u000a<0>1\\\\u009b" host="7"\] \{"text":"two\\nlines\\u009b\]\\udb40\\udc01"\}$`)
	if len(lines) != 1 || !want.MatchString(lines[0]) {
		t.Errorf("got %q", lines)
	}
	if got := r.export(t, SyslogLine("")); !strings.HasPrefix(got[0], "<110>1 2026-03-01T12:00:00.000000Z - cdxgate - ") {
		t.Errorf("got %q without a host name", got)
	}
}

// What is from before there were chains is exported, and counted as what nothing protects.
func TestUnchained(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(t, "ALTER TABLE audit_entry DROP CONSTRAINT audit_entry_linked")
	r.exec(t, "INSERT INTO audit_entry (at, actor_kind, actor, action) VALUES ('2025-01-01Z', 'gateway', 'cdxgate', 'register'), ('2025-01-02Z', 'gateway', 'cdxgate', 'register')")
	r.record(t, 1)
	found, err := r.Verify(t.Context())
	must(t, err)
	if !found.Whole() || found.Unchained != 2 {
		t.Errorf("got %+v, want two old entries beside whole chains", found)
	}
	lines := r.export(t, JSONLine)
	if len(lines) != 3 || !strings.Contains(lines[0], `"at":"2025-01-01T00:00:00.000000Z","chain":""`) || !strings.HasSuffix(lines[0], `,"seq":0,"hash":""}`) {
		t.Errorf("got %q", lines)
	}
}

func TestNewestAndFollow(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	console := r.store.OnChain(db.ChainConsole)
	act := func(store *db.Store, name string) {
		t.Helper()
		*r.clock = r.clock.Add(time.Second)
		must(t, store.WithTx(t.Context(), func(q *db.Queries) error {
			return Record(t.Context(), q, Entry{At: *r.clock, Actor: Actor{Kind: KindOperator, Name: name}, Action: ActionRegister})
		}))
	}
	names := func(entries []Recorded) string {
		var all []string
		for _, e := range entries {
			all = append(all, e.Actor)
		}
		return strings.Join(all, " ")
	}
	act(r.store, "a")
	act(console, "b")
	act(r.store, "c")
	act(console, "d")
	entries, follower, err := r.Newest(t.Context(), 3)
	if got := names(entries); err != nil || got != "b c d" {
		t.Errorf("got %q, %v; want the newest three", got, err)
	}
	if none, _, err := r.Newest(t.Context(), 0); err != nil || len(none) != 0 {
		t.Errorf("got %q, %v; want none", names(none), err)
	}
	for _, want := range []string{"", "e f", "", "g"} {
		for name := range strings.FieldsSeq(want) {
			act(map[bool]*db.Store{true: console, false: r.store}[name == "f"], name)
		}
		next, err := follower.Next(t.Context())
		if got := names(next); err != nil || got != want {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
}
