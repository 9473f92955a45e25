package admin_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/credential/authtest"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
)

// last is the newest entry of the audit trail, as "actor action details".
func (o *office) last(t *testing.T) (text string) {
	t.Helper()
	const query = "SELECT actor || ' ' || action || ' ' || details::text FROM audit_entry ORDER BY id DESC LIMIT 1"
	if err := o.Core.DB.Pool().QueryRow(t.Context(), query).Scan(&text); err != nil {
		t.Fatal(err)
	}
	return text
}

// Each act does what it says, to the host that it names, and is recorded with who did it and what was before.
func TestActsOnHosts(t *testing.T) {
	t.Parallel()
	o, _, host, kiosk := lived(t)
	o.Exec(t, "UPDATE host SET bound_ip = '203.0.113.7' WHERE id = $1", host)
	untouched := o.Int(t, "SELECT hashtext(h::text) FROM host h WHERE id = $1", kiosk)
	for _, c := range []struct{ call, body, answer, entry string }{
		{"roaming", `{"allow":"yes"}`, `"fqdn":"atlas.example","allow_roaming_ips":true`, `admin.host.roaming {"fqdn": "atlas.example", "before": {"roaming": false}, "roaming": true}`},
		{"roaming", `{"allow":0}`, `"fqdn":"atlas.example","allow_roaming_ips":false`, `admin.host.roaming {"fqdn": "atlas.example", "before": {"roaming": true}, "roaming": false}`},
		{"vip", `{"vip":true}`, `"fqdn":"atlas.example","vip":true`, `admin.host.vip {"vip": true, "fqdn": "atlas.example", "before": {"vip": false}}`},
		{"ipv4", `{"force":false}`, `"force_ipv4":false,"ip":null`, `admin.host.force_ipv4 {"fqdn": "atlas.example", "before": {"ip": "203.0.113.7", "force_ipv4": false}, "unbind": true, "force_ipv4": false}`},
		{"ipv4", `{"force":true}`, `"force_ipv4":true,"ip":null`, `admin.host.force_ipv4 {"fqdn": "atlas.example", "before": {"force_ipv4": false}, "unbind": true, "force_ipv4": true}`},
		{
			"model", `{"model_override":" gpt-5.1 ","reasoning_effort_override":"high"}`, `"model_override":"gpt-5.1","reasoning_effort_override":"high"`,
			`admin.host.model_overrides {"fqdn": "atlas.example", "before": {"model_override": "", "reasoning_effort_override": ""}, "model_override": "gpt-5.1", "reasoning_effort_override": "high"}`,
		},
		{
			"model", `{"model_override":null}`, `"model_override":null,"reasoning_effort_override":null`,
			`admin.host.model_overrides {"fqdn": "atlas.example", "before": {"model_override": "gpt-5.1", "reasoning_effort_override": "high"}, "model_override": "", "reasoning_effort_override": ""}`,
		},
		{"codex-version", `{"selection":"rust-v0.61.0"}`, `"client_version_override":"0.61.0"`, `admin.host.client_version_override {"fqdn": "atlas.example", "before": {"client_version": ""}, "client_version": "0.61.0"}`},
		{"codex-version", `{"client_version_override":"codex-cli 0.62.0"}`, `"client_version_override":"0.62.0"`, `admin.host.client_version_override {"fqdn": "atlas.example", "before": {"client_version": "0.61.0"}, "client_version": "0.62.0"}`},
		{"codex-version", `{"selection":" Fleet"}`, `"client_version_override":null`, `admin.host.client_version_override {"fqdn": "atlas.example", "before": {"client_version": "0.62.0"}, "client_version": ""}`},
		{"secure", `{"secure":false}`, `"fqdn":"atlas.example","secure":false`, `admin.host.secure {"fqdn": "atlas.example", "before": {"secure": true}, "secure": false}`},
	} {
		data := string(o.data(t, o.post(t, fmt.Sprintf("/admin/hosts/%d/%s", host, c.call), c.body)))
		if want := fmt.Sprintf(`{"host":{"id":%d,%s}}`, host, c.answer); data != want {
			t.Errorf("%s: got %s, want %s", c.call, data, want)
		}
		if got := o.last(t); got != "alice "+c.entry {
			t.Errorf("%s: got entry\n%s, want\nalice %s", c.call, got, c.entry)
		}
	}
	if after := o.Int(t, "SELECT hashtext(h::text) FROM host h WHERE id = $1", kiosk); after != untouched {
		t.Error("got another host changed")
	}
	// A login that was cleared is handed out anew; the key stays good.
	o.data(t, o.post(t, fmt.Sprintf("/admin/hosts/%d/clear", host), nil))
	if got := o.last(t); !strings.HasPrefix(got, `alice admin.host.clear {"fqdn": "atlas.example", "before": {"deliveries": 1,`) {
		t.Errorf("got %s", got)
	}
	var auth api.AdminHostAuth
	o.get(t, fmt.Sprintf("/admin/hosts/%d/auth", host)).Decode(t, &auth)
	if auth.Host.LastRefresh != nil || len(auth.RecentDigests) != 0 || auth.CanonicalDigest == nil || auth.APICalls != 1 {
		t.Errorf("got %+v", auth)
	}
	// A call that nothing of ours acts on is answered and does nothing.
	entries := o.Int(t, "SELECT count(*) FROM audit_entry")
	if data := string(o.data(t, o.post(t, fmt.Sprintf("/admin/hosts/%d/curl-insecure", host), `{"allow":true}`))); data != fmt.Sprintf(`{"host":{"id":%d,"curl_insecure":false}}`, host) {
		t.Errorf("got %s", data)
	}
	if n := o.Int(t, "SELECT count(*) FROM audit_entry"); n != entries {
		t.Errorf("got %d entries more", n-entries)
	}
}

func TestWindows(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{Now: func() time.Time { return noon }})
	o := &office{g, certified(t, g, "alice")}
	kiosk := o.registered(t, `{"fqdn":"kiosk.example","secure":false}`).Host.ID
	atlas := o.registered(t, `{"fqdn":"atlas.example"}`).Host.ID
	window := func(id int64, act string, body any) (w api.HostWindow) {
		t.Helper()
		data := struct{ Host *api.HostWindow }{&w}
		if err := json.Unmarshal(o.data(t, o.post(t, fmt.Sprintf("/admin/hosts/%d/insecure/%s", id, act), body)), &data); err != nil {
			t.Fatal(err)
		}
		return w
	}
	o.Exec(t, "UPDATE host SET insecure_until = NULL")
	ends := func(w api.HostWindow, minutes, kept int) {
		t.Helper()
		if left := w.InsecureEnabledUntil.Sub(noon); left != time.Duration(minutes)*time.Minute {
			t.Errorf("got %s left, want %d minutes", left, minutes)
		}
		if got := w.InsecureWindowMinutes; (got == nil) != (kept == 0) || (got != nil && *got != kept) {
			t.Errorf("got window %v, want %d", got, kept)
		}
	}
	ends(window(kiosk, "enable", nil), 10, 0)
	ends(window(kiosk, "enable", `{"duration_minutes":null}`), 20, 0) // what is left stays
	ends(window(kiosk, "enable", `{"duration_minutes":60}`), 80, 60)
	if n := o.Int(t, "SELECT count(*) FROM audit_entry WHERE action = 'admin.host.insecure_enable' AND actor = 'alice' AND host_id = $1", kiosk); n != 3 {
		t.Errorf("got %d entries, want 3", n)
	}
	if w := window(kiosk, "disable", nil); !w.InsecureEnabledUntil.IsZero() || !w.InsecureGraceUntil.Equal(noon.Add(time.Hour)) {
		t.Errorf("got %+v", w)
	}
	reopened := window(kiosk, "enable", `{}`)
	ends(reopened, 60, 60) // as long as the last time
	if !reopened.InsecureGraceUntil.IsZero() {
		t.Errorf("got a grace until %s beside an open window", reopened.InsecureGraceUntil)
	}
	if w := window(atlas, "disable", nil); !w.InsecureEnabledUntil.IsZero() || !w.InsecureGraceUntil.IsZero() {
		t.Errorf("got %+v of a secure host", w)
	}
}

// Who sees the login is recorded; everybody else learns what it is, never the login.
func TestRevealingALogin(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	host := o.registered(t, `{"fqdn":"atlas.example"}`).Host.ID
	path := fmt.Sprintf("/admin/hosts/%d/auth", host)
	if data := string(o.data(t, o.get(t, path+"?include_body=1"))); !strings.Contains(data, `"auth":null`) || !strings.Contains(data, `"canonical_digest":null`) {
		t.Errorf("got %s without a login", data)
	}
	outcome := o.Upload(t, authtest.New(authtest.Options{}))
	entries := o.Int(t, "SELECT count(*) FROM audit_entry")
	for _, query := range []string{"", "?include_body=0", "?include_body=off"} {
		if data := string(o.data(t, o.get(t, path+query))); !strings.Contains(data, `"auth":null`) || strings.Contains(data, "refresh_token") {
			t.Errorf("%s: got %s", query, data)
		}
	}
	if n := o.Int(t, "SELECT count(*) FROM audit_entry"); n != entries {
		t.Errorf("got %d entries more", n-entries)
	}
	a := o.get(t, path+"?include_body=YES")
	var auth struct{ Auth json.RawMessage }
	a.Decode(t, &auth)
	if !strings.Contains(string(auth.Auth), "refresh_token") || sum(string(auth.Auth)) != [32]byte(outcome.Current.Digest) {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	if got := o.last(t); got != `alice auth.show {"generation": 1}` {
		t.Errorf("got %s", got)
	}
	if strings.Contains(o.Logs.String(), "refresh_token") {
		t.Error("got the login in the log")
	}
}

func form(t *testing.T, parts ...string) gatewaytest.Request {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for i := 0; i < len(parts); i += 2 {
		part, err := w.CreateFormFile(parts[i], "auth.json")
		if err == nil {
			_, err = part.Write([]byte(parts[i+1]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return gatewaytest.Request{
		Method: http.MethodPost, Path: "/admin/auth/upload", Body: body.Bytes(),
		Header: http.Header{"Content-Type": {w.FormDataContentType()}, "Sec-Fetch-Site": {"same-origin"}},
	}
}

// An upload is the fleet's login from then on, however it was sent, and is not sent back.
func TestUploads(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	host := o.registered(t, `{"fqdn":"atlas.example"}`).Host.ID
	number := 0
	file := func() string {
		number++
		return string(authtest.New(authtest.Options{SessionID: fmt.Sprint("session-", number)}))
	}
	quoted := func(text string) string {
		raw, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	asJSON := func(body string) gatewaytest.Request {
		return gatewaytest.Request{Path: "/admin/auth/upload", Body: body}
	}
	id := fmt.Sprint(host)
	for name, c := range map[string]struct {
		request gatewaytest.Request
		ofHost  bool
	}{
		"an object":            {asJSON(`{"auth":` + file() + `}`), false},
		"a text":               {asJSON(`{"auth":` + quoted(file()) + `,"host_id":null}`), false},
		"for the fleet":        {asJSON(`{"auth":` + file() + `,"host_id":"system"}`), false},
		"for nobody":           {asJSON(`{"auth":` + file() + `,"host_id":0}`), false},
		"for a blank":          {asJSON(`{"auth":` + file() + `,"host_id":""}`), false},
		"for a host":           {asJSON(`{"auth":` + file() + `,"host_id":` + id + `}`), true},
		"for a host, as text":  {asJSON(`{"auth":` + file() + `,"host_id":"` + id + `"}`), true},
		"a form":               {form(t, "file", file()), false},
		"a form for a host":    {form(t, "host_id", id, "file", file()), true},
		"a form with a member": {form(t, "auth", file()), false},
		"both: the member":     {form(t, "file", "no auth.json", "auth", file()), false},
	} {
		a := o.DoAdmin(t, o.admin, c.request)
		var data api.AdminUpload
		if err := json.Unmarshal(o.data(t, a), &data); err != nil {
			t.Fatal(err)
		}
		if data.Status != "updated" || (data.Host != nil) != c.ofHost || data.RunnerApplied || data.CanonicalDigest == nil {
			t.Errorf("%s: got %s", name, a.Body)
		}
		for _, secret := range []string{"refresh_token", "access_token", "auths", "eyJ"} {
			if strings.Contains(string(a.Body), secret) {
				t.Errorf("%s: got %s back", name, secret)
			}
		}
		if got := o.last(t); !strings.HasPrefix(got, "alice auth.store ") {
			t.Errorf("%s: got %s", name, got)
		}
	}
	if n := o.Int(t, "SELECT count(*) FROM generation WHERE source = 'admin'"); n != int64(number) {
		t.Errorf("got %d generations, want %d", n, number)
	}
	same := file()
	for _, want := range []string{"updated", "unchanged"} {
		var data api.AdminUpload
		o.DoAdmin(t, o.admin, asJSON(`{"auth":`+same+`}`)).Decode(t, &data)
		if data.Status != want {
			t.Errorf("got %s, want %s", data.Status, want)
		}
	}
	// A host's counters are its own.
	if n := o.Int(t, "SELECT api_calls FROM host"); n != 0 {
		t.Errorf("got %d calls of a host that never came", n)
	}
}

// A form is taken here and nowhere else, from a page of ours only, and in full or not at all.
func TestUploadedForms(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	good := string(authtest.New(authtest.Options{}))
	without := func(header string) gatewaytest.Request {
		request := form(t, "file", good)
		request.Header.Del(header)
		return request
	}
	o.DoAdmin(t, o.admin, without("Sec-Fetch-Site")).Refused(t, 415, "json_required", "Content-Type must be application/json")
	foreign := without("Sec-Fetch-Site")
	foreign.Header.Set("Origin", "https://evil.example")
	o.DoAdmin(t, o.admin, foreign).Refused(t, 403, "cross_origin", "cross-origin request refused")
	elsewhere := form(t, "file", good)
	elsewhere.Path = api.PathHostRegister
	o.DoAdmin(t, o.admin, elsewhere).Refused(t, 400, "invalid_json", "Invalid JSON payload")

	unbounded := form(t, "file", good)
	unbounded.Header.Set("Content-Type", "multipart/form-data")
	cut := form(t, "file", good)
	cut.Body = cut.Body.([]byte)[:200]
	var many []string
	for i := range 17 {
		many = append(many, fmt.Sprint("f", i), "x")
	}
	for name, c := range map[string]struct {
		request     gatewaytest.Request
		field, text string
	}{
		"no boundary":    {unbounded, "file", "the form has no boundary"},
		"cut off":        {cut, "file", "the form cannot be read"},
		"twice":          {form(t, "file", good, "file", good), "file", `the form has "file" twice`},
		"too many parts": {form(t, many...), "file", "the form has more than 16 parts"},
		"another part":   {form(t, "other", good), "auth", "auth is required"},
		"no JSON":        {form(t, "file", "no JSON"), "file", "file must be the JSON of an auth.json"},
		"an empty file":  {form(t, "file", ""), "file", "file must be the JSON of an auth.json"},
		"no object":      {form(t, "file", "[1]"), "auth", "Auth payload is required"},
	} {
		t.Run(name, func(t *testing.T) { o.DoAdmin(t, o.admin, c.request).Invalid(t, c.field, c.text) })
	}
	o.DoAdmin(t, o.admin, form(t, "file", strings.Repeat(" ", api.MaxBodyBytes))).Refused(t, 413, "body_too_large", "Request body too large")
	if n := o.Int(t, "SELECT count(*) FROM generation"); n != 0 {
		t.Errorf("got %d generations, want none", n)
	}
}

// What is decided holds, is recorded with what was before, and of what the body leaves out nothing is decided.
func TestPolicies(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for _, c := range []struct{ path, body, answer, entry string }{
		{"/admin/api/state", `{"disabled":"on"}`, `{"disabled":true}`, `{"name": "api_disabled", "value": true, "before": false}`},
		{"/admin/api/state", `{"disabled":false}`, `{"disabled":false}`, `{"name": "api_disabled", "value": false, "before": true}`},
		{"/admin/quota-mode", `{"hard_fail":true,"limit_percent":94.6}`, `{"hard_fail":true,"limit_percent":95,"week_partition":0}`, `{"name": "quota_limit_percent", "value": 95, "before": 100}`},
		{"/admin/quota-mode", `{"hard_fail":false,"week_partition":"7"}`, `{"hard_fail":false,"limit_percent":95,"week_partition":7}`, `{"name": "quota_week_partition", "value": 7, "before": 0}`},
		{"/admin/quota-mode", `{"hard_fail":1,"limit_percent":null,"week_partition":null}`, `{"hard_fail":true,"limit_percent":95,"week_partition":7}`, `{"name": "quota_hard_fail", "value": true, "before": false}`},
		{"/admin/quota-mode", `{"hard_fail":1,"limit_percent":"50","week_partition":"OFF"}`, `{"hard_fail":true,"limit_percent":50,"week_partition":0}`, `{"name": "quota_week_partition", "value": 0, "before": 7}`},
		{"/admin/cdx-silent", `{"silent":true}`, `{"silent":true}`, `{"name": "cdx_silent", "value": true, "before": false}`},
		{"/admin/codex-version", `{"selection":"Codex 0.63.0"}`, `{"locked_version":"0.63.0","locked_at":"…"}`, `{"name": "client_version", "value": "0.63.0", "before": ""}`},
		{"/admin/codex-version", `{"selection":"AUTO"}`, `{"locked_version":null,"locked_at":null}`, `{"name": "client_version", "value": "", "before": "0.63.0"}`},
		{"/admin/prune-policy", `{"inactivity_days":45}`, `{"inactivity_window_days":45}`, `{"name": "inactivity_window_days", "value": 45, "before": 30}`},
	} {
		data := string(o.data(t, o.post(t, c.path, c.body)))
		if at := strings.Index(data, `"locked_at":"`); at > 0 {
			data = data[:at] + `"locked_at":"…"}`
		}
		if data != c.answer {
			t.Errorf("%s %s: got %s, want %s", c.path, c.body, data, c.answer)
		}
		if got := o.last(t); got != "alice admin.policy "+c.entry {
			t.Errorf("%s %s: got %s, want %s", c.path, c.body, got, c.entry)
		}
	}
	// The kill switch spares admins.
	o.data(t, o.post(t, "/admin/api/state", `{"disabled":true}`))
	o.data(t, o.get(t, "/admin/hosts"))
	o.Do(t, gatewaytest.Request{Path: "/versions"}).Refused(t, 503, "api_disabled", "API disabled by administrator")
	o.data(t, o.post(t, "/admin/api/state", `{"disabled":false}`))
}

// Of two admins who change what both have read, the second is told, and changes nothing.
func TestOverwritingEachOther(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.data(t, o.post(t, "/admin/slash-commands/store", `{"filename":"a.md","prompt":"first"}`))
	labels := fmt.Sprintf("/admin/hosts/%d/labels", o.registered(t, `{"fqdn":"atlas.example"}`).Host.ID)
	for _, c := range []struct{ read, write, body, other string }{
		{"/admin/quota-mode", "/admin/quota-mode", `{"hard_fail":false,"limit_percent":90}`, `{"hard_fail":true,"limit_percent":80}`},
		{"/admin/api/state", "/admin/api/state", `{"disabled":true}`, `{"disabled":false}`},
		{"/admin/cdx-silent", "/admin/cdx-silent", `{"silent":true}`, `{"silent":false}`},
		{labels, labels, `{"labels":{"rack":"7"}}`, `{"labels":{"team":"build"}}`},
		{labels, labels, `{"note":"one"}`, `{"note":"another"}`},
		{"/admin/slash-commands/a.md", "/admin/slash-commands/store", `{"filename":"a.md","prompt":"second"}`, `{"filename":"a.md","prompt":"third"}`},
	} {
		write := func(body, tag string) *gatewaytest.Answer {
			return o.DoAdmin(t, o.admin, gatewaytest.Request{Path: c.write, Body: body, Header: http.Header{"If-Match": {tag}}})
		}
		read := o.get(t, c.read)
		tag := read.Header.Get("Etag")
		if again := o.get(t, c.read).Header.Get("Etag"); len(tag) < 3 || again != tag {
			t.Errorf("%s: got tags %s, %s", c.read, tag, again)
		}
		written := write(c.body, tag)
		o.data(t, written)
		write(c.other, tag).Refused(t, 412, "etag_mismatch", "This has changed since you read it")
		now := o.get(t, c.read)
		if got := written.Header.Get("Etag"); got != now.Header.Get("Etag") || got == tag {
			t.Errorf("%s: got tag %s, want that of what is read then, %s", c.write, got, now.Header.Get("Etag"))
		}
		write(c.other, written.Header.Get("Etag")+`, "another"`)
		if after := o.get(t, c.read); string(after.Body) == string(now.Body) {
			t.Errorf("%s: got %s, want what was written with the new tag", c.write, after.Body)
		}
		o.data(t, write(c.body, "*"))
	}
	// Something that is not there (any more) has no tag.
	store := func(name, tag string) *gatewaytest.Answer {
		return o.DoAdmin(t, o.admin, gatewaytest.Request{
			Path: "/admin/slash-commands/store", Body: `{"filename":"` + name + `","prompt":"x"}`, Header: http.Header{"If-Match": {tag}},
		})
	}
	store("new.md", "*").Refused(t, 412, "etag_mismatch", "This has changed since you read it")
	tag := o.get(t, "/admin/slash-commands/a.md").Header.Get("Etag")
	o.data(t, o.DoAdmin(t, o.admin, gatewaytest.Request{Method: http.MethodDelete, Path: "/admin/slash-commands/a.md"}))
	store("a.md", tag).Refused(t, 412, "etag_mismatch", "This has changed since you read it")
}

// Many at once with the same tag: one wins.
func TestOneOfManyWins(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.data(t, o.post(t, "/admin/slash-commands/store", `{"filename":"a.md","prompt":"first"}`))
	labels := fmt.Sprintf("/admin/hosts/%d/labels", o.registered(t, `{"fqdn":"atlas.example"}`).Host.ID)
	for read, write := range map[string][2]string{
		"/admin/quota-mode":          {"/admin/quota-mode", `{"hard_fail":false,"limit_percent":%d}`},
		"/admin/slash-commands/a.md": {"/admin/slash-commands/store", `{"filename":"a.md","prompt":"%d"}`},
		labels:                       {labels, `{"labels":{"rack":"%d"}}`},
	} {
		tag := o.get(t, read).Header.Get("Etag")
		var group sync.WaitGroup
		statuses := make([]int, 8)
		for i := range statuses {
			group.Go(func() {
				statuses[i] = o.DoAdmin(t, o.admin, gatewaytest.Request{
					Path: write[0], Body: fmt.Sprintf(write[1], 60+i), Header: http.Header{"If-Match": {tag}},
				}).Status
			})
		}
		group.Wait()
		won := 0
		for _, status := range statuses {
			if status == http.StatusOK {
				won++
			} else if status != http.StatusPreconditionFailed {
				t.Errorf("%s: got %d", read, status)
			}
		}
		if won != 1 {
			t.Errorf("%s: got %v, want one that wins", read, statuses)
		}
	}
}

// A command that is retired is gone until it is stored again, whatever its text.
func TestSlashCommands(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	const text = "---\ndescription: Commits\nargument-hint: [MSG]\n---\nCommit <b>it</b>.\n"
	body, err := json.Marshal(map[string]string{"filename": " commit.md ", "content": text, "sha256": fmt.Sprintf("%X", sum(text))})
	if err != nil {
		t.Fatal(err)
	}
	store := func(want string) {
		t.Helper()
		var stored api.AdminSlashStored
		a := o.post(t, "/admin/slash-commands/store", body)
		a.Decode(t, &stored)
		if stored.Status != want || stored.Filename != "commit.md" || stored.SHA256 != fmt.Sprintf("%x", sum(text)) {
			t.Errorf("got %s, want %s", a.Body, want)
		}
	}
	store("created")
	if got := o.last(t); !strings.HasPrefix(got, `alice slash.store {`) {
		t.Errorf("got %s", got)
	}
	store("unchanged")
	var command api.AdminSlash
	o.get(t, "/admin/slash-commands/commit%2Emd").Decode(t, &command)
	if command.Prompt != text || *command.Description != "Commits" || *command.ArgumentHint != "[MSG]" {
		t.Errorf("got %+v", command)
	}
	remove := func() *gatewaytest.Answer {
		return o.DoAdmin(t, o.admin, gatewaytest.Request{Method: http.MethodDelete, Path: "/admin/slash-commands/commit.md"})
	}
	if data := string(o.data(t, remove())); data != `{"deleted":"commit.md"}` || o.last(t) != `alice slash.delete {"filename": "commit.md"}` {
		t.Errorf("got %s, %s", data, o.last(t))
	}
	remove().Refused(t, 404, "command_not_found", "There is no such command")
	o.get(t, "/admin/slash-commands/commit.md").Refused(t, 404, "command_not_found", "There is no such command")
	if data := string(o.data(t, o.get(t, "/admin/slash-commands"))); data != `{"commands":[],"next_cursor":null}` {
		t.Errorf("got %s", data)
	}
	store("updated")
	o.data(t, o.get(t, "/admin/slash-commands/commit.md"))
	o.get(t, "/admin/slash-commands/store").Refused(t, 405, "method_not_allowed", "Method not allowed")
}
