package dashboard_test

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
	"github.com/cdxgate/cdxgate/internal/library"
	"github.com/cdxgate/cdxgate/internal/pagetest"
)

// fillLibrary gives the library a command that somebody means harm with, in two versions, and a proposal of a host, number 1.
func (b *browser) fillLibrary(t *testing.T, host *db.Host) {
	t.Helper()
	admin := library.Author{Actor: audit.Actor{Kind: audit.KindAdmin, Name: evil}}
	for _, text := range []string{evil, "</pre></textarea>" + evil} {
		if _, _, err := b.Library.Store(t.Context(), library.Draft{Name: "evil.md", Content: text, Description: new(evil), ArgumentHint: new("\u202e" + evil)}, admin); err != nil {
			t.Fatal(err)
		}
	}
	b.propose(t, host, "evil.md", "\x1b[31m</pre>\n"+evil)
}

// propose has a host push a text, and returns the number of what waits then.
func (b *browser) propose(t *testing.T, host *db.Host, name, text string) int64 {
	t.Helper()
	by := library.Author{Actor: audit.Actor{Kind: audit.KindHost, Name: host.FQDN}, Host: host}
	if proposed, _, err := b.Library.Propose(t.Context(), library.Draft{Name: name, Content: text, Description: new(evil)}, by); err != nil || !proposed {
		t.Fatalf("got %t, %v", proposed, err)
	}
	return b.Int(t, "SELECT max(id) FROM library_proposal")
}

// send posts the form of a command as browsers do: fields are names and values in turn.
func (b *browser) send(t *testing.T, in http.Header, fields ...string) *gatewaytest.Answer {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for i := 0; i < len(fields); i += 2 {
		if err := form.WriteField(fields[i], strings.ReplaceAll(fields[i+1], "\n", "\r\n")); err != nil {
			t.Fatal(err)
		}
	}
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	return b.site.Do(t, b.client, gatewaytest.Request{
		Method: http.MethodPost, Path: "/dashboard/library/edit", Body: body.String(),
		Header: with(in, "Content-Type", form.FormDataContentType(), "Sec-Fetch-Site", "same-origin"),
	})
}

// is expects a command to be live with a text, in a version.
func (b *browser) is(t *testing.T, name, text string, version int64) {
	t.Helper()
	row, err := b.Library.Get(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if row.LibraryVersion.Content != text || row.LibraryFile.Version != version || row.LibraryFile.DeletedAt != nil {
		t.Errorf("%s: got %q in version %d, retired %v; want %q in version %d", name, row.LibraryVersion.Content, row.LibraryFile.Version, row.LibraryFile.DeletedAt, text, version)
	}
}

// base is what the form of a page says that it was made from.
func (b *browser) base(t *testing.T, in http.Header, path string) string {
	t.Helper()
	body := string(b.visit(t, in, path).Body)
	_, after, found := strings.Cut(body, `name="base" value="`)
	if !found {
		t.Fatalf("%s has no base: %s", path, body)
	}
	base, _, _ := strings.Cut(after, `"`)
	return base
}

// A command's life by plain forms: written, looked at, changed, retired, brought back.
func TestLibraryForms(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	in := b.session(t, access.Operator)
	const text = "---\ndescription: Look at it\nargument-hint: PATH\n---\nLook at $1.\n"
	a := b.send(t, in, "new", "yes", "name", "review.md", "base", "", "description", "", "hint", "", "prompt", text, "do", "preview")
	if shown := pagetest.Text(t, a.Body); a.Status != 200 || !strings.Contains(shown, "Preview prompts/review.md, 64 bytes") || !strings.Contains(shown, "Description Look at it Argument PATH") {
		t.Errorf("the preview: got %d %s", a.Status, shown)
	}
	pagetest.Check(t, "the preview", a.Body)
	if n := b.Int(t, "SELECT count(*) FROM library_file"); n != 0 {
		t.Fatalf("a preview has stored %d", n)
	}
	if a := b.send(t, in, "new", "yes", "name", "review.md", "base", "", "prompt", text, "do", "save"); a.Status != 303 || a.Header.Get("Location") != "/dashboard/library/command/review.md" {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	b.is(t, "review.md", text, 1)

	form := b.visit(t, in, "/dashboard/library/edit?name=review.md")
	if body := string(form.Body); !strings.Contains(body, ">\n"+text+"</textarea>") || strings.Contains(body, `value="Look at it"`) || !strings.Contains(pagetest.Text(t, form.Body), "what the text says, “Look at it”") {
		t.Errorf("the form: got %s", body)
	}
	base := b.base(t, in, "/dashboard/library/edit?name=review.md")
	if a := b.send(t, in, "name", "review.md", "base", base, "prompt", text, "description", "Mine", "do", "preview"); !strings.Contains(pagetest.Text(t, a.Body), "Against version 1 The text is the same.") {
		t.Errorf("a preview of the same text: got %s", pagetest.Text(t, a.Body))
	}
	if a := b.send(t, in, "name", "review.md", "base", base, "prompt", "two\n", "description", "Mine", "do", "save"); a.Status != 303 {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	b.is(t, "review.md", "two\n", 2)

	shown := pagetest.Text(t, b.visit(t, in, "/dashboard/library").Body)
	if !strings.Contains(shown, "review.md version 2 Mine") {
		t.Errorf("the list: got %s", shown)
	}
	shown = pagetest.Text(t, b.visit(t, in, "/dashboard/library/command/review.md?version=1").Body)
	if !strings.Contains(shown, "Version 1; the newest is 2.") || !strings.Contains(shown, "removed Look at $1.") || !strings.Contains(shown, "added two") {
		t.Errorf("an older version: got %s", shown)
	}
	if a := b.post(t, in, "/dashboard/library/restore/review.md", "version", "1", "base", b.base(t, in, "/dashboard/library/command/review.md?version=1")); a.Status != 303 {
		t.Fatalf("restoring: got %d %s", a.Status, a.Body)
	}
	b.is(t, "review.md", text, 3)

	if shown := pagetest.Text(t, b.visit(t, in, "/dashboard/library/retire/review.md").Body); !strings.Contains(shown, "0 active hosts remove it with their next sync.") {
		t.Errorf("the question: got %s", shown)
	}
	if a := b.post(t, in, "/dashboard/library/retire/review.md", "base", b.base(t, in, "/dashboard/library/retire/review.md")); a.Status != 303 || a.Header.Get("Location") != "/dashboard/library" {
		t.Fatalf("retiring: got %d %s", a.Status, a.Body)
	}
	if a := b.visit(t, in, "/dashboard/library/retire/review.md"); a.Status != 404 {
		t.Errorf("retiring it again: got %d", a.Status)
	}
	if shown := pagetest.Text(t, b.visit(t, in, "/dashboard/library?state=retired").Body); !strings.Contains(shown, "review.md version 3 , retired") {
		t.Errorf("the list of those: got %s", shown)
	}
	if a := b.post(t, in, "/dashboard/library/restore/review.md", "version", "2", "base", b.base(t, in, "/dashboard/library/command/review.md")); a.Status != 303 {
		t.Fatalf("bringing it back: got %d %s", a.Status, a.Body)
	}
	b.is(t, "review.md", "two\n", 4)
	if got := b.Int(t, "SELECT count(*) FROM audit_entry WHERE action LIKE 'slash.%' AND actor LIKE 'session %'"); got != 5 {
		t.Errorf("got %d entries of the audit trail, want 5", got)
	}
}

// Whatever is wrong with a form, it comes back with all that was typed, and says what is wrong beside the field.
func TestLibraryKeepsWhatWasTyped(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	in := b.session(t, access.Operator)
	long := strings.Repeat("ä", 256)
	for name, c := range map[string]struct {
		fields []string
		want   string
	}{
		"no name":              {[]string{"new", "yes", "name", "", "prompt", "typed <b>text</b>", "description", "D"}, "Filename is required."},
		"a path":               {[]string{"new", "yes", "name", "../x.md", "prompt", "typed <b>text</b>", "description", "D"}, "Filename cannot include path separators."},
		"no text":              {[]string{"new", "yes", "name", "typed.md", "prompt", " \n", "description", "D"}, "Prompt is required."},
		"NUL":                  {[]string{"new", "yes", "name", "typed.md", "prompt", "typed <b>text</b>\x00", "description", "D"}, "Prompt must be text without NUL characters."},
		"a long description":   {[]string{"new", "yes", "name", "typed.md", "prompt", "typed <b>text</b>", "description", long}, "Description must be 255 characters or fewer."},
		"a long argument hint": {[]string{"new", "yes", "name", "typed.md", "prompt", "typed <b>text</b>", "description", "D", "hint", long}, "Argument_hint must be 255 characters or fewer."},
		"a form for another":   {[]string{"name", "-x", "prompt", "typed <b>text</b>", "description", "D"}, "Filename may not begin with"},
	} {
		a := b.send(t, in, append(c.fields, "do", "save")...)
		shown := pagetest.Text(t, a.Body)
		if a.Status != 422 || !strings.Contains(shown, c.want) || !strings.Contains(shown, "Nothing was stored") {
			t.Errorf("%s: got %d %s, want %q", name, a.Status, shown, c.want)
		}
		pagetest.Check(t, name, a.Body)
		for i := 0; i < len(c.fields); i += 2 {
			typed := strings.TrimSpace(strings.Trim(c.fields[i+1], "\x00"))
			if body := string(a.Body); !strings.Contains(body, strings.ReplaceAll(strings.ReplaceAll(typed, "<", "&lt;"), ">", "&gt;")) {
				t.Errorf("%s: %s is lost", name, c.fields[i])
			}
		}
	}
	if n := b.Int(t, "SELECT count(*) FROM library_file"); n != 0 {
		t.Errorf("got %d commands", n)
	}
	// As long as a command may be on its way; a form of the other kind would have no room for it.
	text := strings.Repeat("ä\n", 60<<10)
	if a := b.send(t, in, "new", "yes", "name", "long.md", "prompt", text, "do", "save"); a.Status != 303 {
		t.Errorf("a long text: got %d", a.Status)
	}
}

// Of two admins who change the same command, the second is told, loses nothing, and may then save over exactly what he was shown.
func TestLibraryConflict(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	in := b.session(t, access.Operator)
	store := func(text string) {
		t.Helper()
		if _, _, err := b.Library.Store(t.Context(), library.Draft{Name: "a.md", Content: text}, library.Author{Actor: gatewaytest.Operator}); err != nil {
			t.Fatal(err)
		}
	}
	store("one\n")
	base := b.base(t, in, "/dashboard/library/edit?name=a.md")
	restore := b.base(t, in, "/dashboard/library/retire/a.md")
	store("theirs\n")
	a := b.send(t, in, "name", "a.md", "base", base, "prompt", "mine <i>\n", "do", "save")
	shown := pagetest.Text(t, a.Body)
	if a.Status != 409 || !strings.Contains(shown, "Somebody else has changed it") || !strings.Contains(shown, "gatewaytest stored version 2 of a.md") || !strings.Contains(shown, "removed theirs") || !strings.Contains(string(a.Body), "mine &lt;i&gt;\n</textarea>") {
		t.Errorf("got %d %s", a.Status, shown)
	}
	pagetest.Check(t, "the conflict", a.Body)
	b.is(t, "a.md", "theirs\n", 2)
	for path, fields := range map[string][]string{
		"/dashboard/library/retire/a.md": {"base", restore}, "/dashboard/library/restore/a.md": {"base", base, "version", "1"},
	} {
		if a := b.post(t, in, path, fields...); a.Status != 409 || !strings.Contains(pagetest.Text(t, a.Body), "has changed since you read it") {
			t.Errorf("%s: got %d %s", path, a.Status, a.Body)
		}
	}
	_, after, _ := strings.Cut(string(a.Body), `name="base" value="`)
	base, _, _ = strings.Cut(after, `"`)
	store("theirs again\n")
	if a := b.send(t, in, "name", "a.md", "base", base, "prompt", "mine\n", "do", "save"); a.Status != 409 {
		t.Errorf("over what was not shown: got %d", a.Status)
	}
	base = b.base(t, in, "/dashboard/library/edit?name=a.md")
	if a := b.send(t, in, "name", "a.md", "base", base, "prompt", "mine\n", "do", "save"); a.Status != 303 {
		t.Errorf("over what was shown: got %d", a.Status)
	}
	b.is(t, "a.md", "mine\n", 4)
	// A new command never takes the place of one that is there.
	if a := b.send(t, in, "new", "yes", "name", "a.md", "base", "", "prompt", "new\n", "do", "save"); a.Status != 409 {
		t.Errorf("a new one of the same name: got %d", a.Status)
	}
	b.is(t, "a.md", "mine\n", 4)
}

// However many admins save what they made from the same version, one text is stored.
func TestLibraryRace(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	in := b.session(t, access.Operator)
	if a := b.send(t, in, "new", "yes", "name", "a.md", "base", "", "prompt", "one", "do", "save"); a.Status != 303 {
		t.Fatalf("got %d", a.Status)
	}
	base := b.base(t, in, "/dashboard/library/edit?name=a.md")
	var all sync.WaitGroup
	statuses := make([]int, 8)
	for i := range statuses {
		all.Go(func() {
			statuses[i] = b.send(t, in, "name", "a.md", "base", base, "prompt", fmt.Sprint("by ", i), "do", "save").Status
		})
	}
	all.Wait()
	won := 0
	for _, status := range statuses {
		switch status {
		case 303:
			won++
		case 409:
		default:
			t.Errorf("got %d", status)
		}
	}
	if n := b.Int(t, "SELECT version FROM library_file"); won != 1 || n != 2 {
		t.Errorf("%d have stored, the version is %d; want one and 2", won, n)
	}
}

// What hosts propose waits until an admin has seen what it changes; what he has not seen he does not overwrite.
func TestLibraryProposals(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	in, host := b.session(t, access.Operator), b.Register(t, "atlas.example").Host
	fresh := b.propose(t, &host, "fresh.md", "fresh\n")
	if shown := pagetest.Text(t, b.visit(t, in, "/dashboard/library").Body); !strings.Contains(shown, "1 slash command waits for an admin.") {
		t.Errorf("the list: got %s", shown)
	}
	if shown := pagetest.Text(t, b.visit(t, in, "/dashboard/library/proposals").Body); !strings.Contains(shown, "fresh.md A new command atlas.example") {
		t.Errorf("the queue: got %s", shown)
	}
	page := func(id int64) string { return fmt.Sprint("/dashboard/library/proposal/", id) }
	if shown := pagetest.Text(t, b.visit(t, in, page(fresh)).Body); !strings.Contains(shown, "added fresh") || !strings.Contains(shown, "Accept for 1 active host") || !strings.Contains(shown, "Discard") {
		t.Errorf("a proposal: got %s", shown)
	}
	if a := b.post(t, in, fmt.Sprint("/dashboard/library/accept/", fresh)); a.Status != 303 {
		t.Fatalf("accepting: got %d %s", a.Status, a.Body)
	}
	b.is(t, "fresh.md", "fresh\n", 1)
	if a := b.post(t, in, fmt.Sprint("/dashboard/library/accept/", fresh)); a.Status != 409 {
		t.Errorf("accepting twice: got %d", a.Status)
	}
	if shown := pagetest.Text(t, b.visit(t, in, page(fresh)).Body); !strings.Contains(shown, "Accepted by session") || strings.Contains(shown, "Accept for") {
		t.Errorf("what is decided: got %s", shown)
	}

	stale := b.propose(t, &host, "fresh.md", "newer\n")
	overtake := func(text string) {
		t.Helper()
		if _, _, err := b.Library.Store(t.Context(), library.Draft{Name: "fresh.md", Content: text}, library.Author{Actor: gatewaytest.Operator}); err != nil {
			t.Fatal(err)
		}
	}
	overtake("meanwhile\n")
	a := b.post(t, in, fmt.Sprint("/dashboard/library/accept/", stale))
	if shown := pagetest.Text(t, a.Body); a.Status != 409 || !strings.Contains(shown, "Nothing was accepted") || !strings.Contains(shown, "from version 1 to 2") || !strings.Contains(shown, "removed meanwhile") {
		t.Errorf("accepting what is stale: got %d %s", a.Status, shown)
	}
	over := func(body []byte) string {
		t.Helper()
		_, after, found := strings.Cut(string(body), `name="over" value="`)
		if !found {
			t.Fatalf("nothing to overwrite with: %s", body)
		}
		seen, _, _ := strings.Cut(after, `"`)
		return seen
	}
	seen := over(a.Body)
	overtake("once more\n")
	if a := b.post(t, in, fmt.Sprint("/dashboard/library/accept/", stale), "over", seen); a.Status != 409 {
		t.Errorf("over what was not seen: got %d", a.Status)
	}
	b.is(t, "fresh.md", "once more\n", 3)
	if a := b.post(t, in, fmt.Sprint("/dashboard/library/accept/", stale), "over", over(b.visit(t, in, page(stale)).Body)); a.Status != 303 {
		t.Errorf("over what was seen: got %d %s", a.Status, a.Body)
	}
	b.is(t, "fresh.md", "newer\n", 4)

	unwanted := b.propose(t, &host, "fresh.md", "unwanted\n")
	if a := b.post(t, in, fmt.Sprint("/dashboard/library/discard/", unwanted)); a.Status != 303 {
		t.Errorf("discarding: got %d %s", a.Status, a.Body)
	}
	b.is(t, "fresh.md", "newer\n", 4)
	if shown := pagetest.Text(t, b.visit(t, in, "/dashboard/library/proposals?state=discarded&q=ATLAS").Body); !strings.Contains(shown, "fresh.md A change of version 4 atlas.example") || !strings.Contains(shown, "Discarded by session") {
		t.Errorf("those that were discarded: got %s", shown)
	}
	if shown := pagetest.Text(t, b.visit(t, in, "/dashboard/library/proposals").Body); !strings.Contains(shown, "Nothing waits") {
		t.Errorf("the queue at the end: got %s", shown)
	}
}

// Who may only look sees all of it, and why he may not change it; another site's form changes nothing whoever is logged in.
func TestLibraryForViewers(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	host := b.Register(t, "atlas.example").Host
	b.fillLibrary(t, &host)
	viewer, operator := b.session(t, access.Viewer), b.session(t, access.Operator)
	const why = "Your role is viewer; this takes an operator."
	for _, path := range []string{
		"/dashboard/library", "/dashboard/library/edit?name=evil.md", "/dashboard/library/command/evil.md?version=1", "/dashboard/library/retire/evil.md", "/dashboard/library/proposal/1",
	} {
		if a := b.visit(t, viewer, path); a.Status != 200 || !strings.Contains(string(a.Body), why) || strings.Contains(string(a.Body), `action="/dashboard/library/accept`) {
			t.Errorf("%s for a viewer: got %d %s", path, a.Status, a.Body)
		}
		if a := b.visit(t, operator, path); a.Status != 200 || strings.Contains(string(a.Body), why) {
			t.Errorf("%s for an operator: got %d", path, a.Status)
		}
	}
	base := b.base(t, operator, "/dashboard/library/retire/evil.md")
	for path, form := range map[string]url.Values{
		"/dashboard/library/edit":            {"name": {"evil.md"}, "base": {base}, "prompt": {"x"}, "do": {"save"}},
		"/dashboard/library/retire/evil.md":  {"base": {base}},
		"/dashboard/library/restore/evil.md": {"base": {base}, "version": {"1"}},
		"/dashboard/library/accept/1":        {"over": {base}},
		"/dashboard/library/discard/1":       {},
	} {
		for name, header := range map[string]http.Header{
			"a viewer":             with(viewer, "Sec-Fetch-Site", "same-origin"),
			"another site":         with(operator, "Sec-Fetch-Site", "cross-site"),
			"a silent browser":     operator,
			"nobody in particular": {"Sec-Fetch-Site": {"same-origin"}},
		} {
			a := b.site.Do(t, b.client, gatewaytest.Request{Method: http.MethodPost, Path: path, Body: form.Encode(), Header: with(header, "Content-Type", "application/x-www-form-urlencoded")})
			if a.Status != 403 && a.Status != 401 {
				t.Errorf("%s by %s: got %d %s", path, name, a.Status, a.Body)
			}
		}
	}
	b.is(t, "evil.md", "</pre></textarea>"+evil, 2)
	if n := b.Int(t, "SELECT count(*) FROM library_proposal WHERE decided_at IS NULL"); n != 1 {
		t.Errorf("got %d proposals that wait, want 1", n)
	}
	for path, want := range map[string]int{
		"/dashboard/library/command/none.md": 404, "/dashboard/library/command/..%2fx": 404, "/dashboard/library/command/evil.md?version=9": 404,
		"/dashboard/library/command/evil.md?version=x": 404, "/dashboard/library/edit?name=none.md": 404, "/dashboard/library/retire/none.md": 404, "/dashboard/library/proposal/99": 404, "/dashboard/library/proposal/x": 404,
	} {
		if a := b.visit(t, operator, path); a.Status != want {
			t.Errorf("%s: got %d, want %d", path, a.Status, want)
		}
	}
}

// htmx gets the parts that change: the list, what waits, the queue, the trail.
func TestLibraryParts(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	in := b.session(t, access.Viewer)
	for part, path := range map[string]string{
		"li-list": "/dashboard/library?state=all", "li-waiting": "/dashboard/library", "li-queue": "/dashboard/library/proposals?q=x", "au-list": "/dashboard/audit?q=x", "au-chains": "/dashboard/audit",
	} {
		a := b.visit(t, with(in, "Hx-Request", "true", "Hx-Target", part), path)
		begin, _, _ := strings.Cut(strings.TrimSpace(string(a.Body)), ">")
		if a.Status != 200 || !strings.Contains(begin, `id="`+part+`"`) || !strings.Contains(begin, `hx-get="`+path+`"`) || !strings.Contains(begin, "cdx:") || strings.Contains(string(a.Body), "<html") {
			t.Errorf("%s: got %d %s", part, a.Status, a.Body)
		}
		if whole := string(b.visit(t, in, path).Body); !strings.Contains(whole, begin+">") {
			t.Errorf("%s: the page has no such part", part)
		}
	}
}
