package admin_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
)

// proposed has a new host propose a slash command.
func (o *office) proposed(t *testing.T, fqdn, filename, prompt string) (id int64) {
	t.Helper()
	key := o.Register(t, fqdn).Key.Reveal()
	a := o.Do(t, gatewaytest.Request{Path: api.PathSlashStore, Key: key, Body: map[string]string{"filename": filename, "prompt": prompt}})
	if a.Status != http.StatusOK {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	return o.Int(t, "SELECT max(id) FROM library_proposal")
}

func proposalPath(id int64, act string) string {
	return fmt.Sprintf("/admin/slash-command-proposals/%d%s", id, act)
}

// What hosts propose is listed, read, accepted and discarded, once.
func TestProposals(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	first := o.proposed(t, "a.example", "commit.md", "Commit.")
	second := o.proposed(t, "b.example", "commit.md", "Commit all.")
	third := o.proposed(t, "c.example", "review.md", "Review.")
	list := func(query string) string {
		t.Helper()
		var page api.AdminSlashProposals
		o.get(t, "/admin/slash-command-proposals"+query).Decode(t, &page)
		var got []string
		for _, p := range page.Proposals {
			if p.Prompt != nil {
				t.Errorf("got the text of %d in a list", p.ID)
			}
			got = append(got, p.FQDN+" "+p.Filename+" "+p.State)
		}
		return strings.Join(got, ", ")
	}
	const all = "a.example commit.md pending, b.example commit.md pending, c.example review.md pending"
	for query, want := range map[string]string{
		"": all, "?state=all": all, "?state=accepted": "", "?q=COMMIT": all[:strings.Index(all, ", c")], "?q=c.EX": all[strings.Index(all, "c.ex"):], "?q=%25": "",
		"?direction=desc&limit=1": all[strings.Index(all, "c.ex"):], "?host_id=9999": "",
		fmt.Sprintf("?host_id=%d", o.Int(t, "SELECT id FROM host WHERE fqdn = 'a.example'")): all[:strings.Index(all, ", b")],
	} {
		if got := list(query); got != want {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
	}
	var shown api.AdminSlashProposal
	o.get(t, proposalPath(second, "")).Decode(t, &shown)
	if *shown.Prompt != "Commit all." || shown.SizeBytes != 11 || shown.BaseVersion != 0 || shown.SHA256 != fmt.Sprintf("%x", sum("Commit all.")) {
		t.Errorf("got %+v", shown)
	}

	accepted := o.post(t, proposalPath(first, "/accept"), nil)
	if data := string(o.data(t, accepted)); data != fmt.Sprintf(`{"id":%d,"state":"accepted","filename":"commit.md"}`, first) {
		t.Errorf("got %s", data)
	}
	if got := o.last(t); !strings.HasPrefix(got, "alice admin.library.accept") && !strings.Contains(got, `"fqdn": "a.example"`) {
		t.Errorf("got %s", got)
	}
	read := o.get(t, "/admin/slash-commands/commit.md")
	if tag := read.Header.Get("Etag"); tag != accepted.Header.Get("Etag") || !strings.Contains(string(read.Body), `"prompt":"Commit."`) {
		t.Errorf("got %s %s", tag, read.Body)
	}
	o.post(t, proposalPath(first, "/accept"), nil).Refused(t, 409, "proposal_decided", "The proposal is decided already")
	o.post(t, proposalPath(first, "/discard"), nil).Refused(t, 409, "proposal_decided", "The proposal is decided already")
	o.post(t, proposalPath(second, "/accept"), `{"force":false}`).Refused(t, 409, "proposal_stale", "The command has changed since this was proposed")
	o.data(t, o.post(t, proposalPath(second, "/accept"), `{"force":"yes"}`))
	if data := string(o.data(t, o.post(t, proposalPath(third, "/discard"), nil))); data != fmt.Sprintf(`{"id":%d,"state":"discarded","filename":"review.md"}`, third) {
		t.Errorf("got %s", data)
	}
	if got := o.last(t); !strings.HasPrefix(got, "alice ") || !strings.Contains(got, `"filename": "review.md"`) {
		t.Errorf("got %s", got)
	}
	if got := list("") + "|" + list("?state=discarded") + "|" + list("?state=accepted"); got != "|c.example review.md discarded|a.example commit.md accepted, b.example commit.md accepted" {
		t.Errorf("got %s", got)
	}
	for _, id := range []string{"9999", "9223372036854775807"} {
		for path, method := range map[string]string{"": "GET", "/accept": "POST", "/discard": "POST"} {
			request := gatewaytest.Request{Method: method, Path: "/admin/slash-command-proposals/" + id + path}
			o.DoAdmin(t, o.admin, request).Refused(t, 404, "proposal_not_found", "There is no such proposal")
			request.Path = "/admin/slash-command-proposals/+1" + path
			o.DoAdmin(t, o.admin, request).Refused(t, 404, "route_not_found", "Route not found")
		}
	}
}

// Of admins who decide the same proposal at once, one does.
func TestOneDecides(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	id := o.proposed(t, "a.example", "commit.md", "Commit.")
	var wg sync.WaitGroup
	statuses := make([]int, 8)
	for i := range statuses {
		wg.Go(func() {
			statuses[i] = o.post(t, proposalPath(id, []string{"/accept", "/discard"}[i%2]), nil).Status
		})
	}
	wg.Wait()
	won := 0
	for _, status := range statuses {
		switch status {
		case http.StatusOK:
			won++
		case http.StatusConflict:
		default:
			t.Errorf("got %d", status)
		}
	}
	if won != 1 {
		t.Errorf("got %d who decided, want 1", won)
	}
}

// What a command has been is listed, retired or not, and can be had back.
func TestVersionsOfASlashCommand(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for _, text := range []string{"one", "two", "three"} {
		o.data(t, o.post(t, "/admin/slash-commands/store", `{"filename":"commit.md","prompt":"`+text+`"}`))
	}
	const path = "/admin/slash-commands/commit.md"
	list := func(query string) (page api.AdminSlashVersions) {
		t.Helper()
		o.get(t, path+"/versions"+query).Decode(t, &page)
		return page
	}
	page := list("")
	if len(page.Versions) != 3 || page.Versions[0].Version != 3 || page.Versions[2].SHA256 != fmt.Sprintf("%x", sum("one")) || page.Versions[1].Prompt != nil || page.Versions[0].Author != "alice" {
		t.Errorf("got %+v", page)
	}
	if page := list("?direction=asc&limit=1"); page.Versions[0].Version != 1 || page.NextCursor == nil {
		t.Errorf("got %+v", page)
	}
	if page := list("?version=1"); len(page.Versions) != 1 || *page.Versions[0].Prompt != "one" {
		t.Errorf("got %+v", page)
	}
	o.get(t, path+"/versions?version=4").Refused(t, 404, "command_not_found", "There is no such command")
	o.get(t, "/admin/slash-commands/absent.md/versions").Refused(t, 404, "command_not_found", "There is no such command")
	o.post(t, path+"/restore", `{"version":4}`).Refused(t, 404, "command_not_found", "There is no such command")

	act := func(method, path, body, tag string) *gatewaytest.Answer {
		t.Helper()
		request := gatewaytest.Request{Method: method, Path: path, Header: http.Header{"If-Match": {tag}}}
		if body != "" {
			request.Body = body
		}
		return o.DoAdmin(t, o.admin, request)
	}
	read := o.get(t, path).Header.Get("Etag")
	restored := act("POST", path+"/restore", `{"version":1}`, read)
	if data := string(o.data(t, restored)); !strings.HasPrefix(data, `{"status":"updated","filename":"commit.md","sha256":"`+fmt.Sprintf("%x", sum("one"))) {
		t.Errorf("got %s", data)
	}
	if got := o.last(t); !strings.HasPrefix(got, `alice slash.restore {`) {
		t.Errorf("got %s", got)
	}
	entries := o.Int(t, "SELECT count(*) FROM audit_entry")
	act("POST", path+"/restore", `{"version":2}`, read).Refused(t, 412, "etag_mismatch", "This has changed since you read it")
	act("DELETE", path, "", read).Refused(t, 412, "etag_mismatch", "This has changed since you read it")
	if n := o.Int(t, "SELECT count(*) FROM audit_entry"); n != entries {
		t.Errorf("got %d entries more", n-entries)
	}
	o.data(t, act("DELETE", path, "", restored.Header.Get("Etag")))
	act("DELETE", path, "", "*").Refused(t, 404, "command_not_found", "There is no such command")
	act("POST", path+"/restore", `{"version":2}`, restored.Header.Get("Etag")).Refused(t, 412, "etag_mismatch", "This has changed since you read it")
	if page := list(""); len(page.Versions) != 4 {
		t.Errorf("got %d versions of what is retired, want 4", len(page.Versions))
	}
	var commands api.AdminSlashList
	o.get(t, "/admin/slash-commands?state=retired").Decode(t, &commands)
	if len(commands.Commands) != 1 || commands.Commands[0].DeletedAt.IsZero() {
		t.Errorf("got %+v", commands)
	}
	o.data(t, o.post(t, path+"/restore", `{"version":2}`))
	if data := string(o.data(t, o.get(t, path))); !strings.Contains(data, `"prompt":"two"`) {
		t.Errorf("got %s", data)
	}
}

// Somebody stores while somebody else retires what he had read: one of them is told.
func TestRetiringWhatIsBeingStored(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for round := range 8 {
		name := fmt.Sprintf("c%d.md", round)
		tag := o.post(t, "/admin/slash-commands/store", `{"filename":"`+name+`","prompt":"x"}`).Header.Get("Etag")
		var wg sync.WaitGroup
		var stored, retired *gatewaytest.Answer
		wg.Go(func() {
			stored = o.DoAdmin(t, o.admin, gatewaytest.Request{
				Path: "/admin/slash-commands/store", Body: `{"filename":"` + name + `","prompt":"y"}`, Header: http.Header{"If-Match": {tag}},
			})
		})
		wg.Go(func() {
			retired = o.DoAdmin(t, o.admin, gatewaytest.Request{Method: "DELETE", Path: "/admin/slash-commands/" + name, Header: http.Header{"If-Match": {tag}}})
		})
		wg.Wait()
		if codes := stored.Status + retired.Status; codes != 200+412 {
			t.Errorf("%s: got %d %s and %d %s", name, stored.Status, stored.Body, retired.Status, retired.Body)
		}
	}
}
