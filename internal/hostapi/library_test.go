package hostapi_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/gatewaytest"
	"github.com/cdxgate/cdxgate/internal/library"
	"github.com/cdxgate/cdxgate/internal/policy"
)

var operator = library.Author{Actor: gatewaytest.Operator}

// slash is a gateway with one host, on a clock that stands still, and a policy for what hosts push.
type slash struct {
	*gatewaytest.Gateway
	key string
	now time.Time
}

func newSlash(t *testing.T, push string) *slash {
	t.Helper()
	s := &slash{now: time.Date(2026, 1, 5, 10, 0, 0, 0, time.UTC)}
	s.Gateway = gatewaytest.New(t, gatewaytest.Options{Now: func() time.Time { return s.now }})
	s.key = s.Register(t, "build7.example").Key.Reveal()
	s.push(t, push)
	return s
}

func (s *slash) push(t *testing.T, value string) {
	t.Helper()
	if err := s.Policy.Set(t.Context(), "host_prompt_push", value, gatewaytest.Operator); err != nil {
		t.Fatal(err)
	}
}

// keep stores a text as an admin does.
func (s *slash) keep(t *testing.T, name, text string) {
	t.Helper()
	if _, _, err := s.Library.Store(t.Context(), library.Draft{Name: name, Content: text}, operator); err != nil {
		t.Fatal(err)
	}
}

func (s *slash) retire(t *testing.T, name string) {
	t.Helper()
	if err := s.Library.Delete(t.Context(), name, nil, operator); err != nil {
		t.Fatal(err)
	}
}

func (s *slash) call(t *testing.T, call string, b any) *gatewaytest.Answer {
	t.Helper()
	return s.Do(t, gatewaytest.Request{Path: "/slash-commands/" + call, Key: s.key, Body: b})
}

// expect checks the data of an answer, byte for byte.
func expect(t *testing.T, what string, a *gatewaytest.Answer, data string) {
	t.Helper()
	if a.Status != http.StatusOK || string(a.Envelope.Data) != data {
		t.Errorf("%s: got %d %s\nwant %s", what, a.Status, a.Body, data)
	}
}

func sum(text string) string {
	digest := sha256.Sum256([]byte(text))
	return hex.EncodeToString(digest[:])
}

func TestSlashRetrieve(t *testing.T) {
	t.Parallel()
	s := newSlash(t, policy.PushReview)
	const text = "---\r\ndescription: Sort <bugs> & co\r\n---\r\nblå \u2028"
	s.keep(t, "triage.md", text)
	s.keep(t, "old.md", "x")
	s.now = s.now.Add(time.Hour)
	s.retire(t, "old.md")

	const about = `"description":"Sort <bugs> & co","argument_hint":null,"updated_at":"2026-01-05T10:00:00+00:00"`
	same := `{"status":"unchanged","filename":"triage.md","sha256":"` + sum(text) + `",` + about + `}`
	whole := `{"status":"updated","filename":"triage.md","sha256":"` + sum(text) + `",` + about +
		`,"prompt":"---\r\ndescription: Sort <bugs> & co\r\n---\r\nblå \u2028"}`
	const gone = `{"status":"deleted","filename":"old.md","deleted_at":"2026-01-05T11:00:00+00:00"}`
	for name, c := range map[string]struct {
		body any
		data string
	}{
		"missing":               {body{"filename": "none.md"}, `{"status":"missing","filename":"none.md"}`},
		"missing, with a copy":  {body{"filename": "none.md", "sha256": sum("x")}, `{"status":"missing","filename":"none.md"}`},
		"missing in this case":  {body{"filename": "TRIAGE.md"}, `{"status":"missing","filename":"TRIAGE.md"}`},
		"deleted":               {body{"filename": "old.md"}, gone},
		"deleted, with a copy":  {body{"filename": "old.md", "sha256": sum("x")}, gone},
		"unchanged":             {body{"filename": "triage.md", "sha256": sum(text)}, same},
		"unchanged in capitals": {body{"filename": " triage.md\n", "sha256": " " + strings.ToUpper(sum(text)) + " "}, same},
		"updated":               {body{"filename": "triage.md", "sha256": sum("x")}, whole},
		"no copy":               {body{"filename": "triage.md"}, whole},
		"null for a copy":       {body{"filename": "triage.md", "sha256": nil}, whole},
		"a number for a copy":   {body{"filename": "triage.md", "sha256": 5}, whole},
		"a blank copy":          {body{"filename": "triage.md", "sha256": " "}, whole},
	} {
		expect(t, name, s.call(t, "retrieve", c.body), c.data)
	}
	for name, c := range map[string]struct {
		body        any
		field, text string
	}{
		"no body":       {"", "filename", "filename is required"},
		"a list":        {`["filename"]`, "filename", "filename is required"},
		"no name":       {body{}, "filename", "filename is required"},
		"a number":      {body{"filename": 5}, "filename", "filename is required"},
		"a path":        {body{"filename": "../triage.md"}, "filename", "filename cannot include path separators"},
		"no digest":     {body{"filename": "triage.md", "sha256": "abc"}, "sha256", "sha256 must be 64 hex characters"},
		"no hex":        {body{"filename": "triage.md", "sha256": strings.Repeat("g", 64)}, "sha256", "sha256 must be 64 hex characters"},
		"a longer one":  {body{"filename": "triage.md", "sha256": sum(text) + "00"}, "sha256", "sha256 must be 64 hex characters"},
		"name, then it": {body{"filename": ".", "sha256": "abc"}, "filename", "filename may not begin with a dot or a hyphen, nor end with a dot"},
	} {
		t.Run(name, func(t *testing.T) { s.call(t, "retrieve", c.body).Invalid(t, c.field, c.text) })
	}
	// What a host reads at every start is not an act.
	if n := s.Int(t, "SELECT count(*) FROM audit_entry WHERE action LIKE 'slash.%' AND actor_kind = 'host'"); n != 0 {
		t.Errorf("got %d entries, want none", n)
	}
}

func TestSlashList(t *testing.T) {
	t.Parallel()
	s := newSlash(t, policy.PushReview)
	list := func() *gatewaytest.Answer {
		return s.Do(t, gatewaytest.Request{Path: "/slash-commands", Key: s.key})
	}
	expect(t, "nothing", list(), `{"commands":[]}`)
	s.keep(t, "b.md", "---\ndescription:\nargument-hint: <area>\n---\n")
	s.keep(t, "a.md", "x")
	s.keep(t, "B2.md", "x") // capitals first, as bytes have it
	s.keep(t, "a-b.md", "y")
	s.now = s.now.Add(time.Hour)
	s.retire(t, "b.md")

	row := func(id int, name, text, description, hint, updated, deleted string) string {
		return fmt.Sprintf(`{"id":%d,"filename":"%s","sha256":"%s","description":%s,"argument_hint":%s,"updated_at":"%s","deleted_at":%s}`,
			id, name, sum(text), description, hint, updated, deleted)
	}
	const at, later = "2026-01-05T10:00:00+00:00", "2026-01-05T11:00:00+00:00"
	want := `{"commands":[` + strings.Join([]string{
		row(3, "B2.md", "x", "null", "null", at, "null"),
		row(4, "a-b.md", "y", "null", "null", at, "null"),
		row(2, "a.md", "x", "null", "null", at, "null"),
		row(1, "b.md", "---\ndescription:\nargument-hint: <area>\n---\n", `""`, `"<area>"`, later, `"`+later+`"`),
	}, ",") + `]}`
	expect(t, "all", list(), want)

	var sync struct{ Library struct{ Data any } }
	var listed any
	s.Do(t, gatewaytest.Request{Path: "/sync", Key: s.key, Body: "{}"}).Decode(t, &sync)
	if list().Decode(t, &listed); !reflect.DeepEqual(sync.Library.Data, listed) {
		t.Errorf("got %v from /sync, want the list", sync.Library.Data)
	}
}

func TestSlashStoreOn(t *testing.T) {
	t.Parallel()
	s := newSlash(t, policy.PushOn)
	const first, second = "2026-01-05T10:00:00+00:00", "2026-01-05T11:00:00+00:00"
	stored := func(status, text, at string) string {
		return `{"status":"` + status + `","filename":"triage.md","sha256":"` + sum(text) + `","updated_at":"` + at + `"}`
	}
	kept := func(t *testing.T, what, text, about string) {
		t.Helper()
		var row string
		query := "SELECT content || '|' || coalesce(description, '-') || '|' || coalesce(argument_hint, '-') FROM library_version ORDER BY number DESC LIMIT 1"
		if err := s.Core.DB.Pool().QueryRow(t.Context(), query).Scan(&row); err != nil || row != text+"|"+about {
			t.Errorf("%s: got %q, %v; want %q", what, row, err, text+"|"+about)
		}
	}
	const text = "---\rdescription: D\rargument-hint: <a>\r---\rone"
	expect(t, "created", s.call(t, "store", body{"filename": " triage.md ", "prompt": text, "sha256": strings.ToUpper(sum(text))}), stored("created", text, first))
	kept(t, "created", text, "D|<a>")
	s.now = s.now.Add(time.Hour)
	expect(t, "the same", s.call(t, "store", body{"filename": "triage.md", "prompt": text}), stored("unchanged", text, first))
	for _, c := range []struct {
		name  string
		more  body
		about string
	}{
		{"described", body{"description": " Mine ", "argument_hint": nil}, "Mine|<a>"},
		{"described as nothing", body{"description": "", "argument_hint": " "}, "|"},
		{"described by a number", body{"description": 5}, "D|<a>"},
	} {
		c.more["filename"], c.more["prompt"] = "triage.md", text
		expect(t, c.name, s.call(t, "store", c.more), stored("updated", text, second))
		kept(t, c.name, text, c.about)
		expect(t, c.name+" again", s.call(t, "store", c.more), stored("unchanged", text, second))
	}
	for _, c := range []struct {
		name string
		more body
		text string
	}{
		{"content", body{"content": "two"}, "two"},
		{"content for a null", body{"prompt": nil, "content": "three"}, "three"},
		{"content for a number", body{"prompt": 5, "content": "four"}, "four"},
		{"prompt before content", body{"prompt": "five", "content": "six"}, "five"},
		{"blanks count", body{"prompt": " five\n"}, " five\n"},
		{"the current base", body{"prompt": "six", "base_sha256": strings.ToUpper(sum(" five\n"))}, "six"},
		{"a blank base", body{"prompt": "seven", "base_sha256": " "}, "seven"},
	} {
		c.more["filename"] = "triage.md"
		expect(t, c.name, s.call(t, "store", c.more), stored("updated", c.text, second))
	}
	s.call(t, "store", body{"filename": "triage.md", "prompt": "eight", "base_sha256": sum("six")}).
		Refused(t, 409, "base_mismatch", "The command has changed since you read it")
	s.call(t, "store", body{"filename": "new.md", "prompt": "x", "base_sha256": sum("x")}).
		Refused(t, 409, "base_mismatch", "The command has changed since you read it")

	s.retire(t, "triage.md")
	expect(t, "revived", s.call(t, "store", body{"filename": "triage.md", "prompt": "seven"}), stored("updated", "seven", second))
	expect(t, "and served", s.call(t, "retrieve", body{"filename": "triage.md", "sha256": sum("seven")}),
		`{"status":"unchanged","filename":"triage.md","sha256":"`+sum("seven")+`","description":null,"argument_hint":null,"updated_at":"`+second+`"}`)
	if n := s.Int(t, `SELECT count(*) FROM audit_entry a JOIN library_version v ON v.number = (a.details->>'version')::bigint AND v.source_host_id = a.host_id
		WHERE action = 'slash.store' AND actor_kind = 'host' AND actor = 'build7.example' AND host(ip) = $1`, gatewaytest.DefaultFrom); n != 12 {
		t.Errorf("got %d entries, want one for each of 12 versions", n)
	}
}

func TestSlashStoreReview(t *testing.T) {
	t.Parallel()
	s := newSlash(t, policy.PushReview)
	waiting := func(want int64) {
		t.Helper()
		if n := s.Int(t, "SELECT count(*) FROM library_proposal WHERE decided_at IS NULL"); n != want {
			t.Errorf("got %d proposals waiting, want %d", n, want)
		}
	}
	unknown := `{"status":"unchanged","filename":"triage.md","sha256":null,"updated_at":null,"proposed":true}`
	expect(t, "a new one", s.call(t, "store", body{"filename": "triage.md", "prompt": "one"}), unknown)
	expect(t, "the same again", s.call(t, "store", body{"filename": "triage.md", "prompt": "one"}), unknown)
	expect(t, "another", s.call(t, "store", body{"filename": " triage.md ", "prompt": "two"}), unknown)
	waiting(1)
	expect(t, "not served", s.call(t, "retrieve", body{"filename": "triage.md"}), `{"status":"missing","filename":"triage.md"}`)

	s.keep(t, "triage.md", "three")
	current := `{"status":"unchanged","filename":"triage.md","sha256":"` + sum("three") + `","updated_at":"2026-01-05T10:00:00+00:00"`
	expect(t, "the current text", s.call(t, "store", body{"filename": "triage.md", "prompt": "three"}), current+"}")
	expect(t, "another than the current one", s.call(t, "store", body{"filename": "triage.md", "prompt": "four"}), current+`,"proposed":true}`)
	expect(t, "of the current one", s.call(t, "store", body{"filename": "triage.md", "prompt": "five", "base_sha256": sum("three")}), current+`,"proposed":true}`)
	s.call(t, "store", body{"filename": "triage.md", "prompt": "six", "base_sha256": sum("two")}).
		Refused(t, 409, "base_mismatch", "The command has changed since you read it")
	s.call(t, "store", body{"filename": "Triage.md", "prompt": "six"}).
		Invalid(t, "filename", "filename differs only in case from triage.md, which would be the same file on some hosts")
	waiting(1)
	s.retire(t, "triage.md")
	expect(t, "of what is retired", s.call(t, "store", body{"filename": "triage.md", "prompt": "three"}), unknown)
	waiting(1)
	if n := s.Int(t, "SELECT count(*) FROM library_version"); n != 1 {
		t.Errorf("got %d versions, want the admin's", n)
	}
	if n := s.Int(t, "SELECT count(*) FROM audit_entry WHERE action = 'slash.propose' AND host_id IS NOT NULL"); n != 5 {
		t.Errorf("got %d entries, want one for each proposal", n)
	}
}

func TestSlashStoreOff(t *testing.T) {
	t.Parallel()
	s := newSlash(t, policy.PushOff)
	for name, b := range map[string]any{"a command": body{"filename": "triage.md", "prompt": "one"}, "nothing": "", "no name": body{"filename": "..", "prompt": "one"}} {
		t.Run(name, func(t *testing.T) {
			s.call(t, "store", b).Refused(t, 403, "prompt_push_off", "Admins keep the fleet's commands; hosts may not change them")
		})
	}
	if n := s.Int(t, "SELECT (SELECT count(*) FROM library_file) + (SELECT count(*) FROM library_proposal)"); n != 0 {
		t.Errorf("got %d files and proposals, want none", n)
	}
	// A policy counts from the next call on.
	s.push(t, policy.PushOn)
	if a := s.call(t, "store", body{"filename": "triage.md", "prompt": "one"}); !strings.Contains(string(a.Body), `"created"`) {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
}

// The texts are matched by deployed clients, letter by letter; they are the same whether a text is stored or proposed.
func TestSlashStoreRefuses(t *testing.T) {
	t.Parallel()
	s := newSlash(t, policy.PushOn)
	s.keep(t, "A.md", "x")
	const (
		path    = "filename cannot include path separators"
		letters = "filename may only contain letters, numbers, dots, underscores, and hyphens"
		ends    = "filename may not begin with a dot or a hyphen, nor end with a dot"
		device  = "filename is reserved on Windows"
		digest  = "sha256 must be 64 hex characters"
	)
	named := func(name string) body { return body{"filename": name, "prompt": "x"} }
	with := func(more body) body {
		more["filename"] = "b.md"
		return more
	}
	long := strings.Repeat("ü", 256)
	for name, c := range map[string]struct {
		body        any
		field, text string
	}{
		"no body":                  {"", "filename", "filename is required"},
		"no object":                {`"x"`, "filename", "filename is required"},
		"no name":                  {body{"prompt": "x"}, "filename", "filename is required"},
		"null for a name":          {body{"filename": nil, "prompt": "x"}, "filename", "filename is required"},
		"a blank name":             {named(" \t"), "filename", "filename is required"},
		"256 bytes":                {named(strings.Repeat("a", 256)), "filename", "filename must be 255 characters or fewer"},
		"the directory above":      {named(".."), "filename", path},
		"below":                    {named("a/b"), "filename", path},
		"below on Windows":         {named(`a\b`), "filename", path},
		"a blank inside":           {named("a b.md"), "filename", letters},
		"a letter beyond ASCII":    {named("ä.md"), "filename", letters},
		"NUL in the name":          {named("a\x00.md"), "filename", letters},
		"the directory itself":     {named("."), "filename", ends},
		"an option":                {named("-x"), "filename", ends},
		"hidden":                   {named(".md"), "filename", ends},
		"a dot at the end":         {named("a.md."), "filename", ends},
		"a device":                 {named("con.md"), "filename", device},
		"a device in capitals":     {named("LPT1"), "filename", device},
		"another case":             {named("a.md"), "filename", "filename differs only in case from A.md, which would be the same file on some hosts"},
		"no text":                  {with(body{}), "prompt", "prompt is required"},
		"null for a text":          {with(body{"prompt": nil}), "prompt", "prompt is required"},
		"a number for a text":      {with(body{"prompt": 5}), "prompt", "prompt is required"},
		"a blank text":             {with(body{"prompt": " \r\n", "content": "x"}), "prompt", "prompt is required"},
		"NUL in the text":          {with(body{"prompt": "a\x00b"}), "prompt", "prompt must be text without NUL characters"},
		"a short digest":           {with(body{"prompt": "x", "sha256": "abc"}), "sha256", digest},
		"a digest of no hex":       {with(body{"prompt": "x", "sha256": strings.Repeat("g", 64)}), "sha256", digest},
		"another text's digest":    {with(body{"prompt": "x", "sha256": sum("y")}), "sha256", "sha256 does not match prompt contents"},
		"a short base":             {with(body{"prompt": "x", "base_sha256": "abc"}), "base_sha256", "base_sha256 must be 64 hex characters"},
		"a long description":       {with(body{"prompt": "x", "description": long}), "description", "description must be 255 characters or fewer"},
		"a long hint":              {with(body{"prompt": "x", "argument_hint": long}), "argument_hint", "argument_hint must be 255 characters or fewer"},
		"NUL in the description":   {with(body{"prompt": "x", "description": "a\x00"}), "description", "description must be text without NUL characters"},
		"name before text":         {body{"filename": ".", "prompt": ""}, "filename", ends},
		"text before digest":       {with(body{"prompt": "", "sha256": "abc"}), "prompt", "prompt is required"},
		"digest before base":       {with(body{"prompt": "x", "sha256": "abc", "base_sha256": "abc"}), "sha256", digest},
		"description before hint":  {with(body{"prompt": "x", "argument_hint": long, "description": long}), "description", "description must be 255 characters or fewer"},
		"text before the namesake": {body{"filename": "a.md", "prompt": ""}, "prompt", "prompt is required"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, push := range []string{policy.PushOn, policy.PushReview} {
				s.push(t, push)
				s.call(t, "store", c.body).Invalid(t, c.field, c.text)
			}
		})
	}
	s.call(t, "store", "{\"filename\":\"b.md\",\"prompt\":\"\xff\"}").Refused(t, 400, "invalid_json", "Invalid JSON payload")
	if n := s.Int(t, "SELECT (SELECT count(*) FROM library_version) + (SELECT count(*) FROM library_proposal)"); n != 1 {
		t.Errorf("got %d versions and proposals, want the admin's one", n)
	}
	// 255 characters, whatever their size.
	s.push(t, policy.PushOn)
	if a := s.call(t, "store", with(body{"prompt": "x", "description": long[2:], "argument_hint": long[2:]})); a.Status != 200 {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
}

func TestSlashDoors(t *testing.T) {
	t.Parallel()
	s := newSlash(t, policy.PushOn)
	for path, c := range map[string]struct{ method, wrong, allow string }{
		"/slash-commands":          {"GET", "POST", "GET, HEAD, OPTIONS"},
		"/slash-commands/retrieve": {"POST", "GET", "OPTIONS, POST"},
		"/slash-commands/store":    {"POST", "PUT", "OPTIONS, POST"},
	} {
		b := body{"filename": "triage.md", "prompt": "x"}
		s.Do(t, gatewaytest.Request{Method: c.method, Path: path, Body: b}).Refused(t, 401, "api_key_missing", "API key missing")
		s.Do(t, gatewaytest.Request{Method: c.method, Path: path, Key: noDigest, Body: b}).Refused(t, 401, "api_key_invalid", "Invalid API key")
		a := s.Do(t, gatewaytest.Request{Method: c.wrong, Path: path, Key: s.key})
		a.Refused(t, 405, "method_not_allowed", "Method not allowed")
		if a.Header.Get("Allow") != c.allow {
			t.Errorf("%s: got Allow %q, want %q", path, a.Header.Get("Allow"), c.allow)
		}
		s.Do(t, gatewaytest.Request{Method: c.method, Path: path, Key: s.key, Body: b})
		s.Do(t, gatewaytest.Request{Method: c.method, Path: path, Key: s.key, Body: b, From: "203.0.113.1"}).
			Refused(t, 403, "ip_mismatch", "API key not allowed from this IP")
	}
	s.Do(t, gatewaytest.Request{Path: "/slash-commands/triage.md", Key: s.key}).Refused(t, 404, "route_not_found", "Route not found")
}
