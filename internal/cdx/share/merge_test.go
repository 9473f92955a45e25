package share

import "testing"

var (
	v1 = Digest([]byte("v1"))
	v2 = Digest([]byte("v2"))
	v3 = Digest([]byte("v3"))
)

func live(sha string) Fleet { return Fleet{SHA256: sha} }

func file(sha string) File { return File{SHA256: sha} }

func TestMerge(t *testing.T) {
	t.Parallel()
	synced := Entry{Synced: v1}
	odd := File{Odd: "is odd"}
	retired := Fleet{SHA256: v1, Retired: true}
	tests := map[string]struct {
		state State
		want  Kind
		after Entry
	}{
		// Unchanged, changed, gone on both sides.
		"same, same":       {State{Entry: synced, Fleet: live(v1), Local: file(v1)}, Current, synced},
		"same, changed":    {State{Entry: synced, Fleet: live(v1), Local: file(v2)}, Keep, synced},
		"same, gone":       {State{Entry: synced, Fleet: live(v1)}, Keep, synced},
		"changed, same":    {State{Entry: synced, Fleet: live(v2), Local: file(v1)}, Write, Entry{Synced: v2}},
		"changed, changed": {State{Entry: synced, Fleet: live(v2), Local: file(v3)}, Conflict, Entry{Synced: v1, Beside: v2}},
		"changed alike":    {State{Entry: synced, Fleet: live(v2), Local: file(v2)}, Current, Entry{Synced: v2}},
		"changed, gone":    {State{Entry: synced, Fleet: live(v2)}, Write, Entry{Synced: v2}},
		"gone, same":       {State{Entry: synced, Fleet: retired, Local: file(v1)}, Remove, Entry{}},
		"gone, changed":    {State{Entry: synced, Fleet: retired, Local: file(v2)}, Keep, Entry{}},
		"gone, gone":       {State{Entry: synced, Fleet: retired}, Nothing, Entry{}},

		"may push":          {State{Entry: synced, Fleet: live(v1), Local: file(v2), MayPush: true}, Push, synced},
		"unlisted":          {State{Entry: synced, Local: file(v2), MayPush: true}, Nothing, synced},
		"unlisted, gone":    {State{Entry: synced, MayPush: true, Shared: true}, Nothing, synced},
		"only here":         {State{Local: file(v1), MayPush: true}, Nothing, Entry{}},
		"only here, shared": {State{Local: file(v1), MayPush: true, Shared: true}, Push, Entry{}},
		"shared, no pushes": {State{Local: file(v1), Shared: true}, Keep, Entry{}},

		"offered": {State{Entry: Entry{Synced: v1, Offered: v2}, Fleet: live(v1), Local: file(v2), MayPush: true}, Keep, Entry{Synced: v1, Offered: v2}},
		"offered, asked again": {
			State{Entry: Entry{Synced: v1, Offered: v2}, Fleet: live(v1), Local: file(v2), MayPush: true, OfferAgain: true}, Push, Entry{Synced: v1, Offered: v2},
		},
		"offered, edited":   {State{Entry: Entry{Synced: v1, Offered: v2}, Fleet: live(v1), Local: file(v3), MayPush: true}, Push, Entry{Synced: v1, Offered: v2}},
		"offered, accepted": {State{Entry: Entry{Synced: v1, Offered: v2}, Fleet: live(v2), Local: file(v2)}, Current, Entry{Synced: v2}},

		"new":                     {State{Fleet: live(v1)}, Write, Entry{Synced: v1}},
		"new, same here":          {State{Fleet: live(v1), Local: file(v1)}, Current, synced},
		"new, another here":       {State{Fleet: live(v1), Local: file(v2), MayPush: true, Shared: true}, Conflict, Entry{Beside: v1}},
		"retired, another here":   {State{Fleet: retired, Local: file(v2), MayPush: true}, Nothing, Entry{}},
		"retired, shared":         {State{Fleet: retired, Local: file(v2), MayPush: true, Shared: true}, Keep, Entry{}},
		"retired after conflict":  {State{Entry: Entry{Beside: v1}, Fleet: retired, Local: file(v2), Copy: file(v1)}, Keep, Entry{}},
		"retired, odd":            {State{Entry: synced, Fleet: retired, Local: odd}, Keep, Entry{}},
		"odd":                     {State{Entry: synced, Fleet: live(v2), Local: odd}, Refuse, synced},
		"odd, nothing new":        {State{Entry: synced, Fleet: live(v1), Local: odd, MayPush: true}, Keep, synced},
		"odd, not ours":           {State{Local: odd}, Nothing, Entry{}},
		"died after the write":    {State{Entry: Entry{Synced: v1, Writing: v2}, Fleet: live(v3), Local: file(v2)}, Write, Entry{Synced: v3}},
		"died before the write":   {State{Entry: Entry{Synced: v1, Writing: v2}, Fleet: live(v3), Local: file(v1)}, Write, Entry{Synced: v3}},
		"died, then edited":       {State{Entry: Entry{Synced: v1, Writing: v2}, Fleet: live(v2), Local: file(v3)}, Conflict, Entry{Synced: v1, Beside: v2}},
		"died after the copy":     {State{Entry: Entry{Writing: v1}, Fleet: live(v2), Local: file(v3), Copy: file(v1)}, Conflict, Entry{Beside: v2}},
		"conflict stands":         {State{Entry: Entry{Synced: v1, Beside: v2}, Fleet: live(v2), Local: file(v3), Copy: file(v2), MayPush: true}, Conflict, Entry{Synced: v1, Beside: v2}},
		"copy deleted":            {State{Entry: Entry{Synced: v1, Beside: v2}, Fleet: live(v2), Local: file(v3), MayPush: true}, Push, Entry{Synced: v2}},
		"copy and file deleted":   {State{Entry: Entry{Synced: v1, Beside: v2}, Fleet: live(v2)}, Keep, Entry{Synced: v2}},
		"copy taken over":         {State{Entry: Entry{Synced: v1, Beside: v2}, Fleet: live(v2), Local: file(v2)}, Current, Entry{Synced: v2}},
		"own change taken back":   {State{Entry: Entry{Synced: v1, Beside: v2}, Fleet: live(v2), Local: file(v1), Copy: file(v2)}, Write, Entry{Synced: v2}},
		"fleet's change is back":  {State{Entry: Entry{Synced: v1, Beside: v2}, Fleet: live(v1), Local: file(v3), Copy: file(v2)}, Keep, synced},
		"copy edited, fleet too":  {State{Entry: Entry{Synced: v1, Beside: v2}, Fleet: live(v3), Local: file(Digest(nil)), Copy: file(v1)}, Conflict, Entry{Synced: v1, Beside: v2}},
		"own file under its name": {State{Fleet: live(v1), Local: file(v2), Copy: file(v3)}, Conflict, Entry{}},
	}
	for name, test := range tests {
		test.state.Name = "x.md"
		got := Merge(test.state)
		if got.Kind != test.want || got.After != test.after {
			t.Errorf("%s: got %q, then %+v; want %q, then %+v", name, got.Kind, got.After, test.want, test.after)
		}
		told := got.Kind == Conflict || got.Kind == Refuse || got.Kind == Keep && test.state.Fleet.Retired
		if (got.Line != "") != told {
			t.Errorf("%s: got the line %q", name, got.Line)
		}
	}
}

// The texts that only one side has survive every combination of what is remembered, listed and on disk.
func TestMergeNeverLoses(t *testing.T) {
	t.Parallel()
	digests := []string{"", v1, v2, v3}
	combinations := 0
	for n := range 4 * 4 * 4 * 4 * 4 * 4 * 8 {
		pick := func() string { d := digests[n%4]; n /= 4; return d }
		s := State{
			Name: "x.md", Entry: Entry{Synced: pick(), Beside: pick(), Writing: pick()}, Fleet: live(pick()),
			Local: file(pick()), Copy: file(pick()), MayPush: n&1 != 0, Shared: n&2 != 0,
		}
		s.Fleet.Retired = n&4 != 0
		a := Merge(s)
		combinations++
		fleets := map[string]bool{s.Entry.Synced: true, s.Entry.Beside: true, s.Entry.Writing: true, "": true}
		if !s.Fleet.Retired {
			fleets[s.Fleet.SHA256] = true
		}
		if (a.Kind == Write || a.Kind == Remove) && !fleets[s.Local.SHA256] {
			t.Errorf("%+v: %s loses the file", s, a.Kind)
		}
		if (a.clearsCopy() || a.Kind == Conflict && a.Fetch) && !fleets[s.Copy.SHA256] {
			t.Errorf("%+v: %s loses the copy", s, a.Kind)
		}
		if a.Kind == Push && (!s.MayPush || s.Local.missing() || s.Fleet.Retired) {
			t.Errorf("%+v: pushes", s)
		}
		if a.Kind == Push && !s.Shared && (a.Base == "" || a.Base != s.Fleet.SHA256) {
			t.Errorf("%+v: pushes over another text", s)
		}
	}
	if combinations != 4*4*4*4*4*4*8 {
		t.Errorf("got %d combinations", combinations)
	}
}
