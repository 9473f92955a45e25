package mix

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/credential/authtest"
)

// caller is a host whose calls are being planned.
type caller struct {
	*Mix
	Host
	number  int
	leaving bool
}

const (
	someDigest = "00000000000000000000000000000000000000000000000000000000000000ff"
	noKey      = "000000000000000000000000000000000000000000000000000000000000cafe"
	longAgo    = "2025-01-01T00:00:00Z"
)

// stay plans what a host does that does everything right, most of it twice.
func (c *caller) stay() {
	c.left[hostsLeft]++
	c.left[boundTo(c.Host)] = 1
	c.retrieve()
	c.store()

	// Without a key, what comes again is known by its numbers.
	base := int64(1000 * (c.number + 1))
	fresh := 0
	for range 2 {
		c.report("", []int64{base}, func(data report) error {
			if data.Duplicates == 0 {
				fresh++
			}
			if fresh > 1 || (data.Duplicates == 0) != (data.IngestID != 0) {
				return errors.New("want one of the two to be the other one again")
			}
			return nil
		})
	}
	c.recorded(base)

	// With one, by the key; and it is answered what the first one was.
	for range 2 {
		c.report("batch", []int64{base + 1, base + 1, base + 2}, func(data report) error { return c.same("batch", data) })
	}
	c.recorded(base+1, base+1, base+2)
	c.left[keys]++

	for range 2 {
		c.sync([]int64{base + 3, base + 4})
	}
	c.recorded(base+3, base+4)
	c.left[keys]++
	c.left[users]++
	c.left[entriesOf("host.user")]++

	c.see()
	c.left[users]++

	// Three hosts are after each of these commands, with a text of their own: all of them get a version.
	command := fmt.Sprintf("shared%d.md", c.number%5)
	c.push(command, "by "+c.FQDN)
	c.left[versionsOf(command)]++
	c.left[entriesOf("slash.store")]++
	if c.number < 5 {
		c.left[created]++
	}
}

// blunder plans one call that goes wrong, or changes nothing.
func (c *caller) blunder() {
	switch c.number % 5 {
	case 0:
		c.call("a wrong key", Call{Path: api.PathAuth, Key: noKey}, "{}", refused(http.StatusUnauthorized, "api_key_invalid"))
	case 1:
		c.call("no JSON", Call{Path: api.PathSync}, `{"usage":`, refused(http.StatusBadRequest, "invalid_json"))
	case 2: // refused after it counted
		c.call("no digest", Call{Path: api.PathAuth}, api.AuthRequest{LastRefresh: longAgo}, refused(http.StatusUnprocessableEntity, "validation_failed"))
		c.left[callsOf(c.Host)]++
	case 3: // one bad entry, and none is recorded
		c.call("a bad report", Call{Path: api.PathUsage, IdempotencyKey: "bad"}, `{"usages":[{"total":1},{"total":-1}]}`, ok(func(data api.UsageRefused) error {
			if len(data.Errors["usages.1.total"]) != 1 {
				return errors.New("want the entry that is wrong")
			}
			return nil
		}))
	case 4: // the same text from all of them: one is the first
		if c.number == 4 {
			c.left[versionsOf("motd.md")]++
			c.left[entriesOf("slash.store")]++
			c.left[created]++
		}
		c.push("motd.md", "the same from everybody")
	}
}

// leave plans what a host does that removes itself meanwhile, twice at once. What it was told is done is done; its
// usage outlives it, and everything else of it is gone. It has called before, so that it is bound.
func (c *caller) leave() {
	c.retrieve()
	last := len(c.Calls) - 1
	c.First, c.Calls = append(c.First, c.Calls[last]), c.Calls[:last]

	c.retrieve()
	c.store()
	if c.number%2 == 0 {
		c.call("a call from elsewhere", Call{Path: api.PathAuth, From: Elsewhere}, "{}", refused(http.StatusForbidden, "ip_mismatch"))
	} else {
		c.see()
	}
	command := fmt.Sprintf("of-leaver%d.md", c.number)
	c.left[versionsOf(command)] = 0
	c.push(command, "farewell")
	c.report("last", []int64{1}, func(report) error {
		c.left[orphans]++
		c.left[keys]++
		c.recorded(1)
		return nil
	})
	for range 2 {
		c.call("leaving", Call{Method: http.MethodDelete, Path: api.PathAuth}, nil, ok(func(data api.Deleted) error {
			if data.Deleted != c.FQDN {
				return errors.New("want the host's name")
			}
			return nil
		}))
	}
	c.left[entriesOf("host.delete")]++
}

// call plans a call. A host that leaves may find itself gone already.
func (c *caller) call(name string, call Call, body any, check func(Answer) error) {
	call.Name = name + " of " + c.FQDN
	call.check = check
	if c.leaving {
		call.check = func(a Answer) error {
			if a.Status == http.StatusUnauthorized && a.Code == "api_key_invalid" {
				return nil
			}
			return check(a)
		}
	}
	if call.Method == "" {
		call.Method = http.MethodPost
	}
	if call.Key == "" {
		call.Key = c.Key
	}
	if call.From == "" {
		call.From = c.From
	}
	switch body := body.(type) {
	case nil:
	case string:
		call.Body = body
	default:
		call.Body = encode(body)
	}
	c.Calls = append(c.Calls, &call)
}

// encode writes what always encodes.
func encode(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("mix: encoding %T: %v", v, err))
	}
	return string(text)
}

// ok expects a success and reads its data.
func ok[T any](check func(data T) error) func(Answer) error {
	return func(a Answer) error {
		if a.Status != http.StatusOK {
			return fmt.Errorf("want %d", http.StatusOK)
		}
		var data T
		if err := json.Unmarshal(a.Data, &data); err != nil {
			return fmt.Errorf("reading the data: %w", err)
		}
		return check(data)
	}
}

func refused(status int, code string) func(Answer) error {
	return func(a Answer) error {
		if a.Status != status || a.Code != code {
			return fmt.Errorf("want %d, code %s", status, code)
		}
		return nil
	}
}

// same expects all answers of one kind to a host to be equal.
func (c *caller) same(kind string, answer any) error {
	kind += " of " + c.FQDN
	text := encode(answer)
	if first, known := c.answered[kind]; known && first != text {
		return fmt.Errorf("want what the other call was answered: %s", first)
	}
	c.answered[kind] = text
	return nil
}

// credential is what the model looks at in the data of POST /auth, and in a part of POST /sync's.
type credential struct {
	Status string          `json:"status"`
	Auth   json.RawMessage `json:"auth"`
}

// delivered notes that an answer carried the login, if the host is there to have had it.
func (c *caller) delivered(auth json.RawMessage) error {
	if len(auth) == 0 {
		return errors.New("want the file with it")
	}
	if !c.leaving {
		c.left[deliveries]++
	}
	return nil
}

// counts notes that a call is one that is counted.
func (c *caller) counts() {
	if !c.leaving {
		c.left[callsOf(c.Host)]++
	}
}

// retrieve plans a call with an old file, which is always given the newest.
func (c *caller) retrieve() {
	c.counts()
	c.call("retrieve", Call{Path: api.PathAuth}, api.AuthRequest{Digest: someDigest, LastRefresh: longAgo}, ok(c.outdated))
}

func (c *caller) outdated(data credential) error {
	if data.Status != api.StatusOutdated {
		return errors.New("want status " + api.StatusOutdated)
	}
	c.left[entriesOf("auth.retrieve")]++
	return c.delivered(data.Auth)
}

// store plans an upload, which becomes canonical if it is the newest so far. No two hosts' are of one second.
func (c *caller) store() {
	c.counts()
	lastRefresh := c.began.Add(time.Duration(1+scramble(c.number)) * time.Second)
	file := authtest.New(authtest.Options{LastRefresh: lastRefresh})
	c.call("store", Call{Path: api.PathAuth}, api.AuthRequest{Command: api.CommandStore, Auth: file}, ok(func(data credential) error {
		switch data.Status {
		case api.StatusUpdated:
			c.left[generations]++
			c.left[newestNumber]++
		case api.StatusOutdated:
		default:
			return fmt.Errorf("want status %s or %s", api.StatusUpdated, api.StatusOutdated)
		}
		if lastRefresh.After(c.newest) {
			c.newest = lastRefresh
		}
		c.left[entriesOf("auth.store")]++
		return c.delivered(data.Auth)
	}))
}

// report is what the model looks at in the data of POST /usage.
type report struct {
	Recorded   int   `json:"recorded"`
	Duplicates int   `json:"duplicates"`
	IngestID   int64 `json:"ingest_id"`
	Usages     []struct {
		RecordedAt string `json:"recorded_at"`
		Total      int64  `json:"total"`
	} `json:"usages"`
}

// report plans a report of sessions of so many tokens.
func (c *caller) report(key string, totals []int64, check func(report) error) {
	c.call("report "+key, Call{Path: api.PathUsage, IdempotencyKey: key}, map[string]any{"usages": sessions(totals)}, ok(func(data report) error {
		if err := data.says(totals); err != nil {
			return err
		}
		return check(data)
	}))
}

func sessions(totals []int64) (all []json.RawMessage) {
	for _, total := range totals {
		all = append(all, json.RawMessage(encode(map[string]any{"line": "Token usage: as below", "total": total, "model": "gpt-5"})))
	}
	return all
}

func (r *report) says(totals []int64) error {
	good := r.Recorded == len(totals) && len(r.Usages) == len(totals)
	for i := 0; good && i < len(totals); i++ {
		good = r.Usages[i].Total == totals[i]
	}
	if !good {
		return fmt.Errorf("want %v recorded", totals)
	}
	return nil
}

// recorded notes what one report leaves behind.
func (c *caller) recorded(totals ...int64) {
	c.left[reports]++
	c.left[entriesOf("token.usage")]++
	for _, total := range totals {
		c.left[entries]++
		if !c.leaving {
			c.left[tokensOf(c.Host)] += total
		}
	}
}

// sync plans what cdx does at a start: it holds no login, and its journal may have arrived before.
func (c *caller) sync(totals []int64) {
	c.counts()
	c.call("sync", Call{Path: api.PathSync}, api.SyncRequest{
		Username: "root", Usage: &api.SyncUsage{IdempotencyKey: "journal", Usages: sessions(totals)},
	}, ok(func(data struct {
		Credential credential `json:"credential"`
		Usage      report     `json:"usage"`
	},
	) error {
		if err := data.Usage.says(totals); err != nil {
			return err
		}
		if err := c.same("journal", data.Usage); err != nil {
			return err
		}
		return c.outdated(data.Credential)
	}))
}

// see plans a report of who runs cdx, of whom the gateway has not heard.
func (c *caller) see() {
	c.call("users", Call{Path: api.PathHostUsers}, map[string]any{"username": "ci", "hostname": c.FQDN}, ok(func(data api.HostUsers) error {
		for _, user := range data.Users {
			if user.Username == "ci" {
				c.left[entriesOf("host.user")]++
				return nil
			}
		}
		return errors.New("want ci among them")
	}))
}

// push plans a slash command that goes to the whole fleet.
func (c *caller) push(name, prompt string) {
	c.call("push", Call{Path: api.PathSlashStore}, api.SlashRequest{Filename: name, Prompt: prompt}, ok(func(data api.SlashStored) error {
		switch {
		case data.SHA256 == nil:
			return errors.New("want the digest of the text")
		case c.leaving && data.Status == "created":
			c.left[versionsOf(name)]++
			c.left[entriesOf("slash.store")]++
			c.left[created]++
		case c.leaving:
			return errors.New("want status created")
		}
		return nil
	}))
}
