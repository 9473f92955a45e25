package hostapi_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/gatewaytest"
)

// The answer is matched member by member by old clients, whose uninstall removes the files of whom it lists.
func TestHostUsersAnswer(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 5, 10, 0, 0, 999, time.UTC)
	g := gatewaytest.New(t, gatewaytest.Options{Now: func() time.Time { return now }})
	key, other := g.Register(t, "a.example").Key.Reveal(), g.Register(t, "b.example").Key.Reveal()
	see := func(key, body string) string {
		t.Helper()
		a := g.Do(t, gatewaytest.Request{Path: "/host/users", Key: key, Body: body})
		users, isList := strings.CutPrefix(string(a.Body), `{"status":"ok","data":{"users":[`)
		if a.Status != 200 || !isList || a.Header.Get("Content-Type") != "application/json" {
			t.Fatalf("%s: got %d %s", body, a.Status, a.Body)
		}
		return strings.TrimSuffix(users, "]}}")
	}
	if got := see(key, `{}`); got != "" {
		t.Errorf("got %s before anybody, want an empty list", got)
	}
	const (
		root = `{"username":"root","hostname":null,"first_seen":"2026-01-05T10:00:00+00:00","last_seen":"2026-01-05T10:00:00+00:00"}`
		ci   = `{"username":"ci","hostname":"<build & 7>","first_seen":"2026-01-05T10:01:00+00:00","last_seen":"2026-01-05T10:%s+00:00"}`
	)
	if got := see(key, `{"username":"root"}`); got != root {
		t.Errorf("got %s, want %s", got, root)
	}
	now = now.Add(time.Minute)
	if got, want := see(key, `{"username":"ci","hostname":"<build & 7>"}`), fmt.Sprintf(ci, "01:00")+","+root; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	now = now.Add(time.Minute)
	if got, want := see(key, `{"hostname":"<build & 7>","username":"ci","more":[1]}`), fmt.Sprintf(ci, "02:00")+","+root; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := see(key, `{"username":" ","hostname":"elsewhere"}`), fmt.Sprintf(ci, "02:00")+","+root; got != want {
		t.Errorf("got %s without a username, want the list alone", got)
	}
	if got := see(other, `{}`); got != "" {
		t.Errorf("got %s on another host, want nobody", got)
	}
	if n := g.Int(t, "SELECT count(*) FROM audit_entry WHERE action = 'host.user' AND actor = 'a.example' AND host(ip) = $1", gatewaytest.DefaultFrom); n != 2 {
		t.Errorf("got %d audit entries, want one for each user", n)
	}
}

// Old clients take names from the shell and from other programs' output: they come as whatever looks like JSON.
func TestHostUsersCasts(t *testing.T) {
	t.Parallel()
	g, host := begin(t, nil)
	for body, want := range map[string]string{ // :: request → username@hostname; "": nobody
		`{"username":"root"}`:                            "root@",
		`{"username":" root ","hostname":"\tb\n"}`:       "root@b",
		`{"username":1000,"hostname":7}`:                 "1000@7",
		`{"username":-0}`:                                "-0@",
		`{"username":1e3,"hostname":1.50}`:               "1e3@1.50",
		`{"username":123456789012345678901234567890}`:    "123456789012345678901234567890@",
		`{"username":true,"hostname":false}`:             "true@false",
		`{"username":"root","hostname":null}`:            "root@",
		`{"username":"root","hostname":["b"]}`:           "root@",
		`{"username":"root","hostname":{"a":1}}`:         "root@",
		`{"username":"root","hostname":""}`:              "root@",
		`{"username":"first","username":"last"}`:         "last@",
		`{"username":"j\u00f6rg"}`:                       "jörg@",
		`{"username":"\ud83d\ude00"}`:                    "😀@",
		`{"username":"root","hostname":"\ud800b\u0000"}`: "root@b",
		`{"username":["root"]}`:                          "",
		`{"username":{"name":"root"}}`:                   "",
		`{"username":null}`:                              "",
		`{"username":""}`:                                "",
		`{"username":"\u3000"}`:                          "",
		`{"Username":"root","user":"root"}`:              "",
		`{"hostname":"b"}`:                               "",
		`{}`:                                             "",
		`[{"username":"root"}]`:                          "",
		`"root"`:                                         "",
		`5`:                                              "",
		`null`:                                           "",
		``:                                               "",
	} {
		g.Exec(t, "DELETE FROM host_user")
		a := g.Do(t, gatewaytest.Request{Path: "/host/users", Key: host.Key.Reveal(), Body: body})
		var data struct {
			Users []struct {
				Username string
				Hostname *string
			}
		}
		a.Decode(t, &data)
		got := ""
		for _, user := range data.Users {
			got += user.Username + "@"
			if user.Hostname != nil {
				got += *user.Hostname
			}
		}
		if a.Status != 200 || got != want {
			t.Errorf("%s: got %d %q, want %q", body, a.Status, got, want)
		}
	}
	g.Exec(t, "DELETE FROM host_user")
	for _, body := range []string{
		`{"username":"a/b"}`, `{"username":".."}`, `{"username":"\u0000"}`, `{"username":"a\u001bb"}`, `{"username":"\ud800"}`, `{"username":"a\u202eb"}`,
	} {
		a := g.Do(t, gatewaytest.Request{Path: "/host/users", Key: host.Key.Reveal(), Body: body})
		a.Invalid(t, "username", "username must be the name of a system user: no slashes, no control characters")
	}
	for _, body := range []string{`{"username":`, `{'username':'root'}`, "username=root", "{\"username\":\"\xff\"}"} {
		a := g.Do(t, gatewaytest.Request{Path: "/host/users", Key: host.Key.Reveal(), Body: body})
		a.Refused(t, 400, "invalid_json", "Invalid JSON payload")
	}
	if n := g.Int(t, "SELECT count(*) FROM host_user"); n != 0 {
		t.Errorf("got %d users recorded by refused reports, want none", n)
	}
}

func TestHostUsersNeedsAKeyAndNoWindow(t *testing.T) {
	t.Parallel()
	g, host := begin(t, nil)
	g.Exec(t, "UPDATE host SET secure = false")
	report := gatewaytest.Request{Path: "/host/users", Body: `{"username":"root"}`}
	g.Do(t, report).Refused(t, 401, "api_key_missing", "API key missing")
	report.Key = host.Key.Reveal()
	if a := g.Do(t, report); a.Status != 200 {
		t.Errorf("got %d %s outside the window, which is about credentials", a.Status, a.Body)
	}
	report.From = "203.0.113.1"
	g.Do(t, report).Refused(t, 403, "ip_mismatch", "API key not allowed from this IP")
	if n := g.Int(t, "SELECT api_calls FROM host"); n != 0 {
		t.Errorf("got %d calls counted, want none: only POST /auth counts", n)
	}
}
