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

// tag is the entity tag of a host in the list.
func (o *office) tag(t *testing.T, id int64) string {
	t.Helper()
	var page api.AdminHosts
	o.get(t, "/admin/hosts").Decode(t, &page)
	for _, host := range page.Hosts {
		if host.ID == id {
			return host.ETag
		}
	}
	t.Fatalf("got no host %d", id)
	return ""
}

// Two admins do not overwrite what each other decides about a host, if they say what they had read.
func TestTagsOfHosts(t *testing.T) {
	t.Parallel()
	o, _, host, _ := lived(t)
	act := func(call, body, tag string) *gatewaytest.Answer {
		t.Helper()
		request := gatewaytest.Request{Method: http.MethodPost, Path: fmt.Sprintf("/admin/hosts/%d/%s", host, call), JSON: true, Header: http.Header{"If-Match": {tag}}}
		if body != "" {
			request.Body = body
		}
		return o.DoAdmin(t, o.admin, request)
	}
	first := o.tag(t, host)
	for _, c := range []struct{ call, body, other string }{
		{"roaming", `{"allow":true}`, `{"allow":false}`}, {"secure", `{"secure":false}`, `{"secure":true}`}, {"vip", `{"vip":true}`, `{"vip":false}`},
		{"ipv4", `{"force":true}`, `{"force":false}`}, {"model", `{"model_override":"a"}`, `{"model_override":"b"}`},
		{"codex-version", `{"selection":"0.61.0"}`, `{"selection":"0.62.0"}`}, {"suspend", "", ""}, {"resume", "", ""},
		{"rename", `{"fqdn":"b.example"}`, `{"fqdn":"c.example"}`},
	} {
		read := o.tag(t, host)
		written := act(c.call, c.body, read)
		o.data(t, written)
		now := o.tag(t, host)
		if got := written.Header.Get("Etag"); got != now || got == read || !strings.HasPrefix(got, `"`) {
			t.Errorf("%s: got tag %s, want %s, another than %s", c.call, got, now, read)
		}
		entries := o.Int(t, "SELECT count(*) FROM audit_entry")
		for _, stale := range []string{read, first, `"another"`, `W/` + now} {
			act(c.call, c.other, stale).Refused(t, 412, "etag_mismatch", "This has changed since you read it")
		}
		if n := o.Int(t, "SELECT count(*) FROM audit_entry"); n != entries || o.tag(t, host) != now {
			t.Errorf("%s: got a change by who had read something else", c.call)
		}
		o.data(t, act(c.call, c.body, "*"))
		o.data(t, o.post(t, fmt.Sprintf("/admin/hosts/%d/%s", host, c.call), c.body))
	}
	act("unbind", "", first).Refused(t, 412, "etag_mismatch", "This has changed since you read it")
	o.data(t, act("unbind", "", o.tag(t, host)))

	// What the host does itself, and its labels, are nothing that an admin would overwrite.
	before := o.tag(t, host)
	o.Exec(t, "UPDATE host SET bound_ip = '203.0.113.9', last_seen_at = now(), api_calls = 99, client_version = '9.9.9', updated_at = now() WHERE id = $1", host)
	o.data(t, o.post(t, fmt.Sprintf("/admin/hosts/%d/labels", host), `{"note":"x"}`))
	if after := o.tag(t, host); after != before {
		t.Errorf("got tag %s, want %s", after, before)
	}
}

// Of many at once with the same tag, one wins.
func TestOneOfManyChangesAHost(t *testing.T) {
	t.Parallel()
	o, _, host, _ := lived(t)
	for _, c := range [][2]string{{"model", `{"model_override":"m%d"}`}, {"rename", `{"fqdn":"n%d.example"}`}} {
		tag := o.tag(t, host)
		statuses := make([]int, 8)
		var wg sync.WaitGroup
		for i := range statuses {
			wg.Go(func() {
				statuses[i] = o.DoAdmin(t, o.admin, gatewaytest.Request{
					Path: fmt.Sprintf("/admin/hosts/%d/%s", host, c[0]), Body: fmt.Sprintf(c[1], i), Header: http.Header{"If-Match": {tag}},
				}).Status
			})
		}
		wg.Wait()
		won := 0
		for _, status := range statuses {
			if status == http.StatusOK {
				won++
			} else if status != http.StatusPreconditionFailed {
				t.Errorf("%s: got %d", c[0], status)
			}
		}
		if won != 1 {
			t.Errorf("%s: got %d changes, want 1", c[0], won)
		}
	}
}
