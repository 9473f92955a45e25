package audit

import (
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/cdxgate/cdxgate/db"
)

// Twelve entries, signed at 4 and 8: whatever is done to them with SQL, or to the file beside the gateway, is named.
func TestTampering(t *testing.T) {
	t.Parallel()
	const cut = "UPDATE audit_chain c SET (seq, hash) = (SELECT e.seq, e.hash FROM audit_entry e WHERE e.chain = c.name ORDER BY e.seq DESC LIMIT 1) WHERE c.name = $1"
	set := func(what string) []string {
		return []string{"UPDATE audit_entry SET " + what + " WHERE chain = $1 AND seq = 6"}
	}
	mark := func(what string) []string {
		return []string{"UPDATE audit_checkpoint SET " + what + " WHERE chain = $1 AND seq = 4"}
	}
	for name, c := range map[string]struct {
		statements []string // $1: the chain
		seq        int64    // of the fault
		what       string   // in it
	}{
		"time":                {set("at = at + interval '1 microsecond'"), 6, "it was changed"},
		"time, the end of":    {set("at = 'infinity'"), 6, "it was changed"},
		"time, before Christ": {set("at = at - interval '4051 years'"), 6, "it was changed"},
		"kind of actor":       {set("actor_kind = 'gateway'"), 6, "it was changed"},
		"actor":               {set("actor = 'build8.example'"), 6, "it was changed"},
		"action":              {set("action = 'auth.store'"), 6, "it was changed"},
		"host":                {set("host_id = 77"), 6, "it was changed"},
		"no host":             {set("host_id = NULL"), 6, "it was changed"},
		"address":             {set("ip = '2001:db8::8'"), 6, "it was changed"},
		"a network":           {set("ip = '2001:db8::7/64'"), 6, "it was changed"},
		"no address":          {set("ip = NULL"), 6, "it was changed"},
		"request":             {set("request_id = 'another'"), 6, "it was changed"},
		"no request":          {set("request_id = NULL"), 6, "it was changed"},
		"details":             {set("details = details || '{\"n\":99}'"), 6, "it was changed"},
		"details of no kind":  {set("details = 'null'"), 6, "it was changed"},
		"a detail less":       {set("details = details - 'n'"), 6, "it was changed"},
		"row":                 {set("id = DEFAULT"), 6, "it was changed"},
		"hash":                {set("hash = decode(repeat('ab', 32), 'hex')"), 6, "it was changed"},
		"hash before":         {set("prev = decode(repeat('ab', 32), 'hex')"), 6, "it was changed"},
		"number":              {set("seq = 60"), 6, "entry 6 is missing"},
		"another chain":       {set("chain = 'console'"), 6, "entry 6 is missing"},
		"no chain":            {set("chain = NULL"), 6, "entry 6 is missing"},

		"the first deleted": {[]string{"DELETE FROM audit_entry WHERE chain = $1 AND seq = 1"}, 1, "entry 1 is missing"},
		"the first signed":  {[]string{"DELETE FROM audit_entry WHERE chain = $1 AND seq <= 4"}, 1, "entries 1 to 4 are missing"},
		"one deleted":       {[]string{"DELETE FROM audit_entry WHERE chain = $1 AND seq = 6"}, 6, "entry 6 is missing"},
		"some deleted":      {[]string{"DELETE FROM audit_entry WHERE chain = $1 AND seq IN (6, 7, 8)"}, 6, "entries 6 to 8 are missing"},
		"the last deleted":  {[]string{"DELETE FROM audit_entry WHERE chain = $1 AND seq = 12"}, 12, "entry 12 is missing"},
		"numbers closed up": {[]string{"DELETE FROM audit_entry WHERE chain = $1 AND seq = 6", "UPDATE audit_entry SET seq = seq - 1 WHERE chain = $1 AND seq > 6"}, 6, "it was changed"},
		"two swapped":       {[]string{"UPDATE audit_entry SET seq = 13 - seq WHERE chain = $1 AND seq IN (6, 7)"}, 6, "it was changed"},
		"two swapped, links too": {[]string{`UPDATE audit_entry a SET seq = b.seq, prev = b.prev FROM audit_entry b
			WHERE a.chain = $1 AND b.chain = $1 AND a.seq IN (6, 7) AND b.seq = 13 - a.seq`}, 6, "it was changed"},
		"one twice":             {[]string{"INSERT INTO audit_entry (at, actor_kind, actor, action, chain, seq, prev, hash) SELECT at, actor_kind, actor, action, chain, seq, prev, hash FROM audit_entry WHERE chain = $1 AND seq = 6"}, 6, "two entries"},
		"one put in":            {[]string{"UPDATE audit_entry SET seq = seq + 1 WHERE chain = $1 AND seq > 5", "INSERT INTO audit_entry (at, actor_kind, actor, action, chain, seq, prev, hash) SELECT at, actor_kind, actor, action, chain, 6, hash, hash FROM audit_entry WHERE chain = $1 AND seq = 5"}, 6, "it was changed"},
		"one put behind":        {[]string{"INSERT INTO audit_entry (at, actor_kind, actor, action, chain, seq, prev, hash) SELECT at, actor_kind, actor, action, chain, 13, hash, hash FROM audit_entry WHERE chain = $1 AND seq = 12"}, 13, "it was changed"},
		"cut within the signed": {[]string{"DELETE FROM audit_entry WHERE chain = $1 AND seq > 6", cut}, 7, "entries 7 to 8 are missing; a checkpoint has signed"},
		"cut with checkpoints":  {[]string{"DELETE FROM audit_entry WHERE chain = $1 AND seq > 6", "DELETE FROM audit_checkpoint WHERE chain = $1 AND seq > 6", cut}, 7, "head.json says that they were there"},
		"cut to nothing":        {[]string{"DELETE FROM audit_entry WHERE chain = $1", "DELETE FROM audit_checkpoint WHERE chain = $1", "DELETE FROM audit_chain WHERE name = $1"}, 1, "entries 1 to 8 are missing; "},
		"cut to none":           {[]string{"DELETE FROM audit_entry WHERE chain = $1", "DELETE FROM audit_checkpoint WHERE chain = $1", "UPDATE audit_chain SET seq = 0, hash = decode(repeat('00', 32), 'hex') WHERE name = $1"}, 1, "entries 1 to 8 are missing; "},

		"head back":        {[]string{"UPDATE audit_chain SET seq = 10 WHERE name = $1"}, 11, "behind the head"},
		"head forward":     {[]string{"UPDATE audit_chain SET seq = 14 WHERE name = $1"}, 13, "entries 13 to 14 are missing"},
		"head's hash":      {[]string{"UPDATE audit_chain SET hash = decode(repeat('ab', 32), 'hex') WHERE name = $1"}, 12, "another hash"},
		"no head":          {[]string{"DELETE FROM audit_chain WHERE name = $1"}, 12, "no head"},
		"no checkpoint":    {[]string{"DELETE FROM audit_checkpoint WHERE chain = $1 AND seq = 4"}, 4, "the checkpoint at it is missing"},
		"nor the newest":   {[]string{"DELETE FROM audit_checkpoint WHERE chain = $1 AND seq = 8"}, 8, "the checkpoint at it is missing"},
		"none":             {[]string{"DELETE FROM audit_checkpoint WHERE chain = $1"}, 8, "the checkpoint at it is missing"},
		"moved":            {mark("seq = 5"), 5, "is not signed by this installation"},
		"another hash":     {mark("hash = decode(repeat('ab', 32), 'hex')"), 4, "is not signed by this installation"},
		"another time":     {mark("at = at + interval '1 microsecond'"), 4, "is not signed by this installation"},
		"time without end": {mark("at = 'infinity'"), 4, "is not signed by this installation"},
		"after another":    {mark("after = 3"), 4, "is not signed by this installation"},
		"a signature":      {mark("signature = decode(repeat('ab', 64), 'hex')"), 4, "is not signed by this installation"},
		"another key":      {mark("key_id = '01020304'"), 4, "which the keyring does not hold"},
		"of another chain": {[]string{"UPDATE audit_checkpoint SET chain = 'console' WHERE chain = $1 AND seq = 4"}, 4, "the checkpoint at it is missing"},
		"one of our own":   {[]string{"INSERT INTO audit_checkpoint SELECT chain, 10, 8, hash, at, key_id, signature FROM audit_checkpoint WHERE chain = $1 AND seq = 8"}, 10, "is not signed by this installation"},
		"one beyond":       {[]string{"INSERT INTO audit_checkpoint SELECT chain, 20, 8, hash, at, key_id, signature FROM audit_checkpoint WHERE chain = $1 AND seq = 8"}, 20, "is not signed by this installation"},
		"retired by hand":  {[]string{"INSERT INTO audit_anchor SELECT chain, seq, hash, at, key_id, signature FROM audit_checkpoint WHERE chain = $1 AND seq = 4", "DELETE FROM audit_entry WHERE chain = $1 AND seq <= 4"}, 4, "is not signed by this installation"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			for range 3 {
				r.record(t, 4)
				if value[int64](t, r, "SELECT seq FROM audit_chain WHERE name = $1", r.chain) <= 8 {
					r.sign(t)
				}
			}
			r.wantWhole(t, 12)
			r.disarm(t)
			for _, statement := range c.statements {
				r.exec(t, statement, r.chain)
			}
			got := r.verify(t)
			if got.Fault == nil || got.Fault.Seq != c.seq || !strings.Contains(got.Fault.What, c.what) {
				t.Errorf("got %+v of %+v, want %q at entry %d", got.Fault, got, c.what, c.seq)
			}
		})
	}
}

// rewrite does what a patient forger does: changes an entry and makes every hash behind it fit.
func (r *rig) rewrite(t *testing.T, seq int64) {
	t.Helper()
	r.exec(t, "UPDATE audit_entry SET actor = 'forged.example' WHERE chain = $1 AND seq = $2", r.chain, seq)
	rows, err := r.store.AuditEntryList(t.Context(), db.AuditEntryListParams{Chain: r.chain, Seq: seq, MaxRows: 100})
	must(t, err)
	prev := rows[0].Prev
	for i := range rows {
		rows[i].Prev = prev
		hash, err := linkOf(r.chain, &rows[i]).hash()
		must(t, err)
		r.exec(t, "UPDATE audit_entry SET prev = $3, hash = $4 WHERE chain = $1 AND seq = $2", r.chain, rows[i].Seq, prev, hash)
		prev = hash
	}
	r.exec(t, "UPDATE audit_chain SET hash = $2 WHERE name = $1", r.chain, prev)
}

// Hashes that fit do not help against what was signed, nor does taking the checkpoints away.
func TestRewriting(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.record(t, 4)
	r.sign(t)
	r.record(t, 4)
	r.sign(t)
	r.disarm(t)
	r.rewrite(t, 6)
	if got := r.verify(t).Fault; got == nil || got.Seq != 5 || !strings.Contains(got.What, "entries 5 to 8 are not those that were recorded") {
		t.Errorf("got %+v, want what was signed after entry 4", got)
	}
	r.exec(t, "DELETE FROM audit_checkpoint WHERE chain = $1 AND seq = 8", r.chain)
	if got := r.verify(t).Fault; got == nil || got.Seq != 5 || !strings.Contains(got.What, "head.json has signed others") {
		t.Errorf("without the checkpoint got %+v, want what the file says", got)
	}
	// A gateway that goes on must not sign it, nor forget what it knows.
	before := r.headFile(t)
	r.record(t, 3)
	if _, err := r.Sign(t.Context()); !errors.Is(err, ErrBroken) || !strings.Contains(err.Error(), "entry 8: it is not what was signed") {
		t.Errorf("got %v, want %v at entry 8", err, ErrBroken)
	}
	if got := r.headFile(t); got != before {
		t.Errorf("the file was changed from %s to %s", before, got)
	}
}

// One entry whose own hash fits, in a stretch that nobody has signed: the links give it away.
func TestOneEntryMadeToFit(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.record(t, 9)
	r.disarm(t)
	rows, err := r.store.AuditEntryList(t.Context(), db.AuditEntryListParams{Chain: r.chain, Seq: 6, MaxRows: 1})
	must(t, err)
	rows[0].Actor = "forged.example"
	hash, err := linkOf(r.chain, &rows[0]).hash()
	must(t, err)
	r.exec(t, "UPDATE audit_entry SET actor = 'forged.example', hash = $2 WHERE chain = $1 AND seq = 6", r.chain, hash)
	if got := r.verify(t).Fault; got == nil || got.Seq != 6 || !strings.Contains(got.What, "or the one after it") {
		t.Errorf("got %+v, want entry 6", got)
	}
}

// A cut that takes the checkpoints along and lets the gateway go on must not end in a new signed head over the old.
func TestNoSigningOverACut(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		more int
		seq  int64 // of the fault: what took the place of 5 fits, as far as it goes
	}{"still short": {1, 6}, "as long again": {4, 5}, "longer": {9, 5}} {
		r := newRig(t)
		r.record(t, 4)
		r.sign(t)
		r.record(t, 4)
		r.sign(t)
		before := r.headFile(t)
		r.disarm(t)
		r.exec(t, "DELETE FROM audit_entry WHERE chain = $1 AND seq > 4", r.chain)
		r.exec(t, "DELETE FROM audit_checkpoint WHERE chain = $1 AND seq > 4", r.chain)
		r.exec(t, "UPDATE audit_chain c SET (seq, hash) = (SELECT e.seq, e.hash FROM audit_entry e WHERE e.chain = c.name AND e.seq = 4) WHERE c.name = $1", r.chain)
		*r.clock = r.clock.AddDate(0, 0, 1)
		r.record(t, c.more)
		if _, err := r.Sign(t.Context()); !errors.Is(err, ErrBroken) {
			t.Errorf("%s: got %v, want %v", name, err, ErrBroken)
		}
		if got := r.headFile(t); got != before {
			t.Errorf("%s: the file was changed", name)
		}
		if got := r.verify(t).Fault; got == nil || got.Seq != c.seq {
			t.Errorf("%s: got %+v, want entry %d", name, got, c.seq)
		}
	}
}

func TestHeadFile(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.record(t, 4)
	r.sign(t)
	old := r.headFile(t)
	r.record(t, 4)
	r.sign(t)
	current := r.headFile(t)
	other := newRig(t)
	other.record(t, 1)
	other.sign(t)

	for name, c := range map[string]struct{ file, fault, note string }{
		"ours":               {current, "", ""},
		"older":              {old, "", "is older than the newest checkpoint"},
		"of another chain":   {other.headFile(t), "is of another chain, " + other.chain, ""},
		"of another keyring": {strings.ReplaceAll(other.headFile(t), other.chain, r.chain), "which the keyring does not hold", ""},
		"with a later end":   {strings.Replace(current, `"seq":8`, `"seq":9`, 1), "is not signed by this installation", ""},
		"an anchor":          {strings.Replace(current, purposeCheckpoint, purposeAnchor, 1), "is of another chain", ""},
		"damaged":            {current[:40], "is damaged", ""},
		"with more in it":    {`{"more":1,` + current[1:], "is damaged", ""},
		"huge":               {strings.Repeat(" ", maxFileBytes) + current, "is larger than", ""},
	} {
		r.putHead(t, c.file)
		got := r.verify(t)
		switch {
		case c.fault == "" && got.Fault != nil:
			t.Errorf("%s: got %+v, want no fault", name, got.Fault)
		case c.fault != "" && (got.Fault == nil || !strings.Contains(got.Fault.What, c.fault)):
			t.Errorf("%s: got %+v, want %q", name, got.Fault, c.fault)
		case !strings.Contains(strings.Join(got.Notes, " "), c.note) || (c.note == "") != (len(got.Notes) == 0):
			t.Errorf("%s: got notes %q, want %q", name, got.Notes, c.note)
		}
		if _, err := r.Sign(t.Context()); (err != nil) != (c.fault != "") || err != nil && !errors.Is(err, ErrBroken) {
			t.Errorf("%s: got %v from signing", name, err)
		}
	}
	must(t, os.Remove(headPath(r.dir, r.chain)))
	if got := r.verify(t); got.Fault != nil || !strings.Contains(strings.Join(got.Notes, ""), "there is no ") {
		t.Errorf("without the file got %+v, %+v", got.Fault, got.Notes)
	}
	r.sign(t)
	if got := r.headFile(t); got != current {
		t.Errorf("a file that was lost is made again as %s, want %s", got, current)
	}
}

// Two keepers of one master key make the same key, and not the one that clients trust.
func TestAuditKeyIsItsOwn(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s, err := sign(r.ring, Statement{Chain: r.chain, Seq: 1, Hash: hex.EncodeToString(make([]byte, 32)), Purpose: purposeCheckpoint})
	must(t, err)
	must(t, s.check(r.ring))
	s.Purpose = purposeAnchor
	if err := s.check(r.ring); !errors.Is(err, errForged) {
		t.Errorf("got %v for another purpose, want %v", err, errForged)
	}
}
