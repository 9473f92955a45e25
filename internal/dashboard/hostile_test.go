package dashboard_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
)

// addresses are those of all routes of a method that are about the fleet, with their paths filled in, and what each needs.
func addresses(b *browser, method string) map[string]access.Capability {
	apart := []string{"/dashboard/events", "/dashboard/logout"}
	all := map[string]access.Capability{}
	for route, needs := range b.Dashboard.Capabilities() {
		path, is := strings.CutPrefix(route, method+" ")
		if !is || !access.Known(needs) || slices.Contains(apart, path) {
			continue
		}
		param := "1"
		if strings.Contains(path, "/library/re") || strings.Contains(path, "/library/command") { // retire, restore
			param = "evil.md"
		}
		all[strings.ReplaceAll(path, "{}", param)] = needs
	}
	return all
}

// Whatever an address says, it is no fault of the gateway's, and no page says what is too long to be looked for.
func TestHostileAddresses(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	b.fill(t)
	in := b.session(t, access.Owner)
	long := strings.Repeat("x", 2000)
	for path := range addresses(b, http.MethodGet) {
		for _, name := range []string{
			"q", "action", "actor", "after", "cols", "cursor", "fqdn", "from", "host", "kind", "label", "model", "name", "older", "serial", "source", "until", "user", "within",
		} {
			if a := b.visit(t, in, path+"?"+name+"=x%00%ff"); a.Status >= 500 {
				t.Errorf("%s?%s=x%%00%%ff: got %d", path, name, a.Status)
			}
			if a := b.visit(t, in, path+"?"+name+"="+long); a.Status >= 500 || strings.Contains(string(a.Body), long) {
				t.Errorf("%s: %d bytes of %s: got %d, and a page of %d bytes", path, len(long), name, a.Status, len(a.Body))
			}
		}
	}
}

// Whatever a form says, it is no fault of the gateway's.
func TestHostileForms(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	b.fill(t)
	in := b.session(t, access.Owner)
	fields := []string{
		"act", "action", "again", "back", "base", "bound", "cdx_silent", "client_version", "close", "confirm", "current", "description", "disabled", "do", "file", "auth", "fqdn",
		"hint", "id", "inactivity_window_days", "labels", "life", "minutes", "model_override", "name", "new", "note", "other", "over", "position", "prompt",
		"reasoning_effort_override", "role", "scope", "serial", "sure", "tag", "value", "version",
	}
	for path := range addresses(b, http.MethodPost) {
		for _, field := range fields {
			for _, value := range []string{"x\x00\xff", "-9223372036854775809"} {
				form := []string{
					"fqdn", "x.example", "confirm", "atlas.example", "name", "n", "role", "viewer", "life", "7", "prompt", "text", "version", "1", "id", "1", "note", "x", "action", "resume",
				}
				if a := b.post(t, in, path, append(form, field, value)...); a.Status >= 500 {
					t.Errorf("%s, %s=%q: got %d", path, field, value, a.Status)
				}
			}
		}
	}
}

// Another site can lead somebody to a page. It cannot have his browser load one for itself, nor a file, nor the stream.
func TestPagesAreNotForOtherSites(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	b.fill(t)
	in := b.session(t, access.Owner)
	paths := append(slices.Collect(maps.Keys(addresses(b, http.MethodGet))), "/dashboard/login", "/dashboard/events")
	for _, path := range paths {
		for _, header := range [][]string{
			{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"},
			{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"},
			{"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "script"},
			{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"},
			{"Sec-Fetch-Site", "cross-site"},
		} {
			if a := b.visit(t, with(in, header...), path); a.Status != 403 || a.Header.Get("Content-Disposition") != "" {
				t.Errorf("%s with %v: got %d", path, header, a.Status)
			}
		}
	}
	for _, header := range [][]string{
		{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"},
		{"Sec-Fetch-Site", "none", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"},
		{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"},
	} {
		for _, path := range []string{"/dashboard/hosts", "/dashboard/hosts.csv"} {
			if a := b.visit(t, with(in, header...), path); a.Status != 200 {
				t.Errorf("%s with %v: got %d", path, header, a.Status)
			}
		}
	}
}

// Every form counts from a page of ours only and for those only who may, whatever it says.
func TestEveryFormIsDefended(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, gatewaytest.Options{})
	b.fill(t)
	owner, viewer := b.session(t, access.Owner), b.session(t, access.Viewer)
	const kind = "application/x-www-form-urlencoded"
	forms := addresses(b, http.MethodPost)
	if len(forms) < 30 {
		t.Fatalf("got %d forms", len(forms))
	}
	before := b.Int(t, "SELECT count(*) FROM audit_entry WHERE action <> $1", audit.ActionAdminRefused)
	for path, needs := range forms {
		for name, c := range map[string]struct {
			in     http.Header
			header []string
			status int
		}{
			"silence":        {owner, []string{"Content-Type", kind}, 403},
			"another site":   {owner, []string{"Content-Type", kind, "Sec-Fetch-Site", "cross-site"}, 403},
			"a neighbour":    {owner, []string{"Content-Type", kind, "Sec-Fetch-Site", "same-site"}, 403},
			"another origin": {owner, []string{"Content-Type", kind, "Origin", "https://evil.example"}, 403},
			"text":           {owner, []string{"Content-Type", "text/plain", "Sec-Fetch-Site", "same-origin"}, 415},
			"no type":        {owner, []string{"Content-Type", "", "Sec-Fetch-Site", "same-origin"}, 415},
			"nobody":         {http.Header{}, []string{"Content-Type", kind, "Sec-Fetch-Site", "same-origin"}, 401},
			"a viewer":       {viewer, []string{"Content-Type", kind, "Sec-Fetch-Site", "same-origin"}, 403},
		} {
			if name == "a viewer" && access.Viewer.May(needs) {
				continue
			}
			a := b.site.Do(t, b.client, gatewaytest.Request{Method: http.MethodPost, Path: path, Header: with(c.in, c.header...), Body: "confirm=atlas.example&id=1&action=resume&fqdn=x.example"})
			if a.Status != c.status {
				t.Errorf("%s by %s: got %d, want %d", path, name, a.Status, c.status)
			}
		}
	}
	if after := b.Int(t, "SELECT count(*) FROM audit_entry WHERE action <> $1", audit.ActionAdminRefused); after != before {
		t.Errorf("got %d acts, want none", after-before)
	}
}
