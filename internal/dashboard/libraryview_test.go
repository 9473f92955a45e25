package dashboard

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/library"
	"github.com/cdxgate/cdxgate/templates"
)

// shownDiff writes a difference a line each, with the numbers of the lines.
func shownDiff(d templates.TextDiff) string {
	var all []string
	for _, line := range d.Lines {
		all = append(all, fmt.Sprintf("%d,%d%s%s", line.Old, line.New, line.Kind, line.Text))
	}
	return strings.ReplaceAll(strings.Join(all, "|"), "\u00a0", " ")
}

func TestTextDiff(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ from, to, want string }{
		"the same":         {"a\nb", "a\nb", ""},
		"nothing":          {"", "", ""},
		"from nothing":     {"", "a\nb", "0,1+a|0,2+b"},
		"to nothing":       {"a", "", "1,0−a"},
		"one changed":      {"a\nb\nc", "a\nx\nc", "1,1a|2,0−b|0,2+x|3,3c"},
		"one more":         {"a\nc", "a\nb\nc", "1,1a|0,2+b|2,3c"},
		"one less":         {"a\nb\nc", "a\nc", "1,1a|2,0−b|3,2c"},
		"moved":            {"a\nb\nc", "b\nc\na", "1,0−a|2,1b|3,2c|0,3+a"},
		"an empty end":     {"a\n", "a", "0,0…Only the ends of lines differ."},
		"other ends":       {"a\r\nb\r", "a\nb\n", "0,0…Only the ends of lines differ."},
		"far from changes": {"1\n2\n3\n4\n5\n6\n7\n8\n9", "1\n2\n3\n4\n5\n6\n7\n8\nX", "0,0…5 lines are the same|6,6 6|7,7 7|8,8 8|9,0−9|0,9+X"},
		"between changes":  {"a\n1\n2\n3\n4\n5\n6\n7\n8\nb", "A\n1\n2\n3\n4\n5\n6\n7\n8\nB", "1,0−a|0,1+A|2,2 1|3,3 2|4,4 3|0,0…2 lines are the same|7,7 6|8,8 7|9,9 8|10,0−b|0,10+B"},
		"repeated":         {"x\nx\nx", "x\nx", "1,1x|2,2x|3,0−x"},
	} {
		d := textDiff("old", c.from, "new", c.to)
		if got := strings.ReplaceAll(shownDiff(d), " ", ""); got != strings.ReplaceAll(c.want, " ", "") || d.Same != (c.from == c.to) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

// However much two texts differ, the difference is bounded, and what it shows makes one of the other.
func TestTextDiffIsBounded(t *testing.T) {
	t.Parallel()
	text := func(prefix string, n int) string {
		lines := make([]string, n)
		for i := range lines {
			lines[i] = fmt.Sprint(prefix, i)
		}
		return strings.Join(lines, "\n")
	}
	d := textDiff("old", text("a", 40_000), "new", text("b", 40_000))
	if len(d.Lines) != maxDiffRows || !strings.Contains(d.Cut, "78,000") {
		t.Errorf("got %d lines and %q", len(d.Lines), d.Cut)
	}
	for _, c := range [][2]string{{text("a", 1900), text("a", 1800) + "\nmore"}, {"begin\n" + text("a", 3000) + "\nend", "begin\n" + text("b", 3000) + "\nend"}} {
		var from, to []string
		for _, line := range diffLines(textLines(c[0]), textLines(c[1])) {
			if line.Kind != templates.DiffAdded {
				from = append(from, line.Text)
			}
			if line.Kind != templates.DiffRemoved {
				to = append(to, line.Text)
			}
		}
		if strings.Join(from, "\n") != c[0] || strings.Join(to, "\n") != c[1] {
			t.Error("a difference does not make one text of the other")
		}
	}
}

func commands(names ...string) []db.LibraryListRow {
	var all []db.LibraryListRow
	for i, name := range names {
		row := db.LibraryListRow{ID: int64(i + 1), Name: strings.TrimPrefix(name, "-"), Version: 1, UpdatedAt: now.Add(-time.Duration(i) * time.Hour), Author: "ops"}
		if strings.HasPrefix(name, "-") {
			row.DeletedAt = &now
		}
		all = append(all, row)
	}
	return all
}

func TestLibraryPage(t *testing.T) {
	t.Parallel()
	files := commands("review.md", "-old.md", "triage.md")
	files[0].Description = new("Look at <changes>")
	for name, c := range map[string]struct {
		view    libraryView
		files   []db.LibraryListRow
		waiting int
		rows    string
		empty   string
		counts  string
	}{
		"as it is":         {libraryView{}, files, 0, "review.md triage.md", "", "2 1 3"},
		"backwards":        {libraryView{backwards: true}, files, 0, "triage.md review.md", "", "2 1 3"},
		"by their updates": {libraryView{byUpdated: true, state: commandsAll}, files, 0, "triage.md old.md review.md", "", "2 1 3"},
		"retired":          {libraryView{state: commandsRetired}, files, 0, "old.md", "", "2 1 3"},
		"all":              {libraryView{state: commandsAll}, files, 1, "old.md review.md triage.md", "", "2 1 3"},
		"a search":         {libraryView{search: "CHANGES"}, files, maxWaiting, "review.md", "", "1 0 1"},
		"nothing found":    {libraryView{search: "zz"}, files, 0, "", "No command matches", "0 0 0"},
		"nothing at all":   {libraryView{}, nil, 0, "", "No slash commands yet", "0 0 0"},
		"none is retired":  {libraryView{state: commandsRetired}, files[:1], 0, "", "No command is retired", "1 0 1"},
		"all are retired":  {libraryView{}, files[1:2], 0, "", "All commands are retired", "0 1 1"},
	} {
		p := libraryPage(c.view, c.files, c.waiting, now, "")
		var rows, counts []string
		for _, row := range p.List.Rows {
			rows = append(rows, row.Name)
		}
		for _, state := range p.List.States {
			counts = append(counts, fmt.Sprint(state.N))
			if state.Current != (state.Href == c.view.address()) {
				t.Errorf("%s: %s at %s, current %t", name, state.Label, state.Href, state.Current)
			}
		}
		if strings.Join(rows, " ") != c.rows || strings.Join(counts, " ") != c.counts || c.empty != "" && p.List.Empty.Title != c.empty || (len(p.Waiting) > 0) != (c.waiting > 0) {
			t.Errorf("%s: got %v, %v, %q, %v", name, rows, counts, p.List.Empty.Title, p.Waiting)
		}
	}
	p := libraryPage(libraryView{}, files, 0, now, "Your role is viewer.")
	for _, action := range append(p.Actions[1:], p.List.Rows[0].Actions...) {
		if action.Why == "" {
			t.Errorf("a viewer may %s", action.Label)
		}
	}
	many := make([]string, maxCommands+1)
	for i := range many {
		many[i] = fmt.Sprintf("c%03d.md", i)
	}
	if p := libraryPage(libraryView{}, commands(many...), 0, now, ""); len(p.List.Rows) != maxCommands || !strings.HasPrefix(p.List.Text, "500 of 501") {
		t.Errorf("got %d rows, %q", len(p.List.Rows), p.List.Text)
	}
}

// What a version can be is restored, but for what hosts have already.
func TestCommandPage(t *testing.T) {
	t.Parallel()
	row := &db.LibraryGetRow{
		LibraryFile:    db.LibraryFile{ID: 4, Name: "a.md", Version: 3},
		LibraryVersion: db.LibraryVersion{Number: 3, Content: "three", Author: "ops"},
	}
	versions := []db.LibraryVersionsRow{{Number: 3}, {Number: 2}}
	restorable := func(c templates.LibraryCommand) string {
		var all []string
		for _, v := range c.Versions {
			all = append(all, fmt.Sprintf("%d:%t:%t", v.Number, v.Restore.Label != "", v.Current))
		}
		return strings.Join(all, " ")
	}
	c := commandPage(row, &row.LibraryVersion, versions, now, "")
	if got := restorable(c); got != "3:false:true 2:true:false" || c.Diff != nil || c.Restore.Label != "" || len(c.Actions) != 2 {
		t.Errorf("the newest: got %s, %+v", got, c)
	}
	old := &db.LibraryVersion{Number: 2, Content: "two"}
	c = commandPage(row, old, versions, now, "")
	if c.Diff == nil || shownDiff(*c.Diff) != "1,0−two|0,1+three" || c.Restore.Fields[0].Value != "2" || c.Restore.Fields[1].Value != "4.3" {
		t.Errorf("an older one: got %+v", c)
	}
	row.LibraryFile.DeletedAt = &now
	c = commandPage(row, &row.LibraryVersion, versions, now, "")
	if got := restorable(c); got != "3:true:false 2:true:false" || c.Retired.At.IsZero() || len(c.Actions) != 0 || c.Restore.Fields[1].Value != "" {
		t.Errorf("a retired one: got %s, %+v", got, c)
	}
}

func TestProposalPage(t *testing.T) {
	t.Parallel()
	accepted, by := "accepted", "ops"
	proposal := func(base int64) *db.ProposalGetRow {
		return &db.ProposalGetRow{FQDN: "atlas.example", LibraryProposal: db.LibraryProposal{ID: 9, Name: "a.md", Content: "new", BaseVersion: base, HostID: 7, CreatedAt: now.Add(-time.Hour)}}
	}
	file := func(version int64, deleted *time.Time) *db.LibraryGetRow {
		return &db.LibraryGetRow{LibraryFile: db.LibraryFile{ID: 4, Name: "a.md", Version: version, DeletedAt: deleted}, LibraryVersion: db.LibraryVersion{Number: version, Content: "old"}}
	}
	earlier, later := now.Add(-2*time.Hour), now.Add(-time.Minute)
	done := proposal(1)
	done.LibraryProposal.Decision, done.LibraryProposal.DecidedBy, done.LibraryProposal.DecidedAt = &accepted, &by, &later
	for name, c := range map[string]struct {
		row     *db.ProposalGetRow
		current *db.LibraryGetRow
		stale   string
		actions string
		over    string
	}{
		"a new command":           {proposal(0), nil, "", "Discard, Accept for 3 hosts", ""},
		"a change":                {proposal(2), file(2, nil), "", "Discard, Accept for 3 hosts", ""},
		"a change of another":     {proposal(2), file(3, nil), "from version 2 to 3", "Discard, Overwrite and accept for 3 hosts", "4.3"},
		"new, and here meanwhile": {proposal(0), file(1, nil), "in version 1", "Discard, Overwrite and accept for 3 hosts", "4.1"},
		"retired since":           {proposal(2), file(2, &later), "retired since", "Discard, Overwrite and accept for 3 hosts", fmt.Sprintf("4.2.%d", later.UnixMicro())},
		"retired before":          {proposal(2), file(2, &earlier), "", "Discard, Accept for 3 hosts", ""},
		"decided":                 {done, file(2, nil), "", "", ""},
	} {
		p := proposalPage(c.row, c.current, "3 hosts", now, "", everyPage)
		var labels []string
		over := ""
		for _, action := range p.Actions {
			labels = append(labels, action.Label)
			for _, field := range action.Fields {
				over = field.Value
			}
		}
		if !strings.Contains(p.Stale, c.stale) || (p.Stale == "") != (c.stale == "") || strings.Join(labels, ", ") != c.actions || over != c.over || p.HostURL != "/dashboard/hosts/7" {
			t.Errorf("%s: got %q, %q, over %q", name, p.Stale, labels, over)
		}
	}
	if p := proposalPage(done, nil, "", now, "", everyPage); p.State.Label != "Accepted" || p.State.By != "ops" || !p.State.At.At.Equal(later) {
		t.Errorf("got %+v", p.State)
	}
}

func TestProposalsPage(t *testing.T) {
	t.Parallel()
	rows := make([]db.ProposalPageRow, proposalsOnPage+1)
	for i := range rows {
		rows[i] = db.ProposalPageRow{ID: int64(i + 1), Name: "a.md", FQDN: "atlas.example", HostID: 7}
	}
	p := proposalsPage("", library.ProposalQuery{Search: "a"}, rows, now, everyPage)
	if len(p.Rows) != proposalsOnPage || p.Pager.Next != "/dashboard/library/proposals?after=50&q=a" || p.Pager.Prev != "" || p.Rows[0].Kind != "A new command" {
		t.Errorf("got %d rows, %+v", len(p.Rows), p.Pager)
	}
	p = proposalsPage("accepted", library.ProposalQuery{After: new(int64(50))}, rows[:1], now, everyPage)
	if p.Pager.Next != "" || p.Pager.First != "/dashboard/library/proposals?state=accepted" || !p.States[1].Current {
		t.Errorf("got %+v, %+v", p.Pager, p.States)
	}
	if p := proposalsPage("", library.ProposalQuery{}, nil, now, everyPage); p.Empty.Title != "Nothing waits" {
		t.Errorf("got %+v", p.Empty)
	}
}

// Whoever saves what he has not touched changes nothing, however the text ends its lines.
func TestTypedCommandKeepsLineEnds(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{"a\r\nb\r\n": "a\r\nb\r\n", "a\nb\n": "a\nb\n"} {
		typed := typedCommand{prompt: "a\nb\n"}
		typed.like(&db.LibraryGetRow{LibraryVersion: db.LibraryVersion{Content: content}})
		if typed.prompt != want {
			t.Errorf("%q: got %q", content, typed.prompt)
		}
	}
	typed := typedCommand{prompt: "a\n"}
	if typed.like(nil); typed.prompt != "a\n" {
		t.Errorf("got %q", typed.prompt)
	}
}
