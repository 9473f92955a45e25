// Package mix makes up what a fleet does all at once, right and wrong, and knows what must be left of it: the effect of
// each call on the counters, as if it had come alone. Where the order of the calls decides, as among uploads, the answers
// say who won, and what was acknowledged must be there.
//
// It knows the wire and the schema but nothing of the gateway, so that one mix runs against a handler and a binary:
//
//	m := mix.New(hosts, began)
//	for _, call := range m.First { … m.Answered(call, status, body) } // one after the other
//	for _, call := range m.Calls { … m.Answered(call, status, body) } // at once
//	for query, want := range m.Left() { … }
package mix

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"
)

// Hosts is how many hosts a mix has.
const Hosts = stayers + leavers

const (
	stayers = 15
	leavers = 5 // they remove themselves while their other calls are under way
)

// Elsewhere is an address that no host may call from.
const Elsewhere = "127.0.0.9"

// Host is one of the fleet. It is registered and has never called.
type Host struct {
	FQDN string
	Key  string
	From string // its address, which no other host has
}

// Call is one request.
type Call struct {
	Name           string
	Method         string
	Path           string
	Body           string
	Key            string
	From           string
	IdempotencyKey string // "": none

	check func(Answer) error
}

// Answer is what came back for a call.
type Answer struct {
	Status int             `json:"-"`
	Code   string          `json:"code"`
	Data   json.RawMessage `json:"data"`
}

// Mix is the calls and what they come to. Answered may be used from any goroutine.
type Mix struct {
	First []*Call // before all others, in this order
	Calls []*Call // at once

	mu       sync.Mutex
	began    time.Time
	newest   time.Time         // last_refresh of the newest upload that was acknowledged
	left     map[string]int64  // query → what it must find
	answered map[string]string // what a call was answered that comes twice
}

// New makes a mix for hosts of a gateway whose login was refreshed at began, whose policy host_prompt_push is on, and
// which limits nobody.
func New(hosts []Host, began time.Time) *Mix {
	m := &Mix{began: began, newest: began, left: map[string]int64{}, answered: map[string]string{}}
	for _, query := range nothing {
		m.left[query] = 0
	}
	m.left[generations], m.left[newestNumber] = 1, 1
	for i, host := range hosts {
		c := caller{Mix: m, Host: host, number: i, leaving: i >= stayers}
		m.left[entriesOf("auth.bind_ip")]++
		if c.leaving {
			c.leave()
		} else {
			c.stay()
			c.blunder()
		}
	}
	// Calls that are planned one after the other are rivals. They are not to be launched side by side each time.
	planned := m.Calls
	m.Calls = make([]*Call, len(planned))
	for i, call := range planned {
		m.Calls[scramble(i)%len(planned)] = call
	}
	return m
}

// scramble maps the numbers below 200 to each other, no two to the same.
func scramble(i int) int { return i * 77 % 200 }

// Answered takes an answer into account and says what is wrong with it.
func (m *Mix) Answered(c *Call, status int, body []byte) error {
	a := Answer{Status: status}
	err := json.Unmarshal(body, &a)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil {
		err = c.check(a)
	}
	if err != nil {
		return fmt.Errorf("%s: got %d %s: %w", c.Name, status, body, err)
	}
	return nil
}

// Left is what must be in the database when every call was answered: queries for one number, and that number.
func (m *Mix) Left() map[string]int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.left["SELECT extract(epoch FROM max(last_refresh_at))::bigint FROM generation"] = m.newest.Unix()
	m.left["SELECT extract(epoch FROM last_refresh_at)::bigint FROM generation ORDER BY number DESC LIMIT 1"] = m.newest.Unix()
	return m.left
}

const (
	generations  = "SELECT count(*) FROM generation"
	newestNumber = "SELECT generation FROM account"
	deliveries   = "SELECT count(*) FROM delivery"
	hostsLeft    = "SELECT count(*) FROM host"
	users        = "SELECT count(*) FROM host_user"
	reports      = "SELECT count(*) FROM usage_ingest"
	keys         = "SELECT count(*) FROM usage_ingest WHERE idempotency_key IS NOT NULL"
	entries      = "SELECT count(*) FROM usage_entry"
	orphans      = "SELECT count(*) FROM usage_entry WHERE host_id IS NULL"
	created      = "SELECT count(*) FROM audit_entry WHERE action = 'slash.store' AND details->>'status' = 'created'"
)

// nothing are queries that find none, whatever happens.
var nothing = []string{
	entriesOf("auth.roaming_ip"), entriesOf("auth.force_ip_override"), entriesOf("slash.propose"), entriesOf("security.rate_limit"),
	"SELECT count(*) FROM rate_limit WHERE bucket <> 'refused'",
	"SELECT count(*) FROM usage_ingest i WHERE entries <> (SELECT count(*) FROM usage_entry e WHERE e.ingest_id = i.id AND e.host_id IS NOT DISTINCT FROM i.host_id)",
	// The sums by day are those of the entries.
	`SELECT count(*) FROM (
		SELECT day, host_id, model, username, entries, total, input, output, cached, reasoning FROM usage_host_day EXCEPT
		SELECT (at AT TIME ZONE 'UTC')::date, coalesce(host_id, 0), coalesce(model, ''), coalesce(username, ''), count(*), coalesce(sum(total), 0),
			coalesce(sum(input), 0), coalesce(sum(output), 0), coalesce(sum(cached), 0), coalesce(sum(reasoning), 0) FROM usage_entry GROUP BY 1, 2, 3, 4
	) astray`,
	"SELECT ((SELECT coalesce(sum(entries), 0) FROM usage_day) - (SELECT count(*) FROM usage_entry))::bigint",
	"SELECT ((SELECT coalesce(sum(entries), 0) FROM usage_host_day) - (SELECT count(*) FROM usage_entry))::bigint",
	// Numbers without a gap, each generation newer than the one before, each version of a command with its entry.
	"SELECT max(number) - count(*) FROM generation",
	"SELECT count(*) FROM generation a JOIN generation b ON b.number = a.number + 1 WHERE b.last_refresh_at <= a.last_refresh_at",
	"SELECT count(*) FROM library_version v JOIN library_file f ON f.id = v.file_id WHERE v.number > f.version",
	"SELECT count(*) FROM library_version v WHERE NOT EXISTS (SELECT FROM audit_entry a WHERE a.action = 'slash.store' AND a.details->>'sha256' = encode(v.sha256, 'hex'))",
}

// entriesOf counts what hosts are on record for.
func entriesOf(action string) string {
	return fmt.Sprintf("SELECT count(*) FROM audit_entry WHERE action = '%s' AND actor_kind <> 'operator'", action)
}

func callsOf(h Host) string {
	return fmt.Sprintf("SELECT api_calls FROM host WHERE fqdn = '%s'", h.FQDN)
}

func boundTo(h Host) string {
	return fmt.Sprintf("SELECT count(*) FROM host WHERE fqdn = '%s' AND host(bound_ip) = '%s'", h.FQDN, h.From)
}

func tokensOf(h Host) string {
	return fmt.Sprintf("SELECT sum(e.total)::bigint FROM usage_entry e JOIN host h ON h.id = e.host_id WHERE h.fqdn = '%s'", h.FQDN)
}

func versionsOf(command string) string {
	return fmt.Sprintf("SELECT count(*) FROM library_version v JOIN library_file f ON f.id = v.file_id WHERE f.name = '%s'", command)
}
