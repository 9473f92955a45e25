package fleet

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/errs"
)

// Orders of a list. Those of equal rank are in the order of their names.
const (
	SortName    = "name"
	SortSeen    = "seen" // the last contact; hosts that never came are the oldest
	SortCreated = "created"
	SortCalls   = "calls"
	SortWindow  = "window" // insecure hosts that may call now come first
	SortCodex   = "codex"  // the version of Codex, number by number; hosts that reported none come first
	SortCdx     = "cdx"    // likewise
	SortAddress = "address"
)

// Sorts are all orders.
var Sorts = []string{SortName, SortSeen, SortCreated, SortCalls, SortWindow, SortCodex, SortCdx, SortAddress}

// States to filter by. A host that has expired is neither active nor disabled.
const (
	StateActive   = "active"
	StateDisabled = "disabled"
	StateExpired  = "expired"
)

// States are all states.
var States = []string{StateActive, StateDisabled, StateExpired}

// Query asks for a part of the list of hosts. The zero value asks for the first by name.
type Query struct {
	Search   string // found in the name, the note, the address or a version, whatever its case; at most 256 bytes
	Filter   Filter
	Sort     string // one of Sorts. Default: SortName
	Desc     bool
	Cursor   string   // Page.Next of the part before, or Page.Prev of the part after; "": from the beginning
	Limit    int      // 1 to MaxPage. Default: 50
	Versions Versions // what Filter.Outdated compares with
}

// Filter narrows a list down. Nil and zero values leave hosts be.
type Filter struct {
	State      string // one of States
	Secure     *bool
	Roaming    *bool
	VIP        *bool
	Outdated   *bool             // it last called with another Codex, or another cdx, than it should have
	WindowOpen *bool             // an insecure host that may call now
	NeverSeen  *bool             // it has never called
	Behind     *bool             // it is known to have a login, and not the one that its account has now
	Label      map[string]string // all of them, with these values
}

// Versions are what the fleet should run; "": nobody said.
type Versions struct {
	Codex  string // exactly, but for hosts with a version of their own
	Newest string // Codex of the form N.N.N, likewise; one that is newer still is as good
	Cdx    string
}

// MaxPage is the most that a part of a list holds.
const MaxPage = 500

const (
	defaultPage    = 50
	maxSearchBytes = 256
)

// Page is a part of a list.
type Page struct {
	Hosts []db.Host
	Total int64  // hosts that match; 0 as well when there are none after the cursor
	Next  string // cursor of the part after it; "": this is the last
	Prev  string // cursor of the part before it; "": this is the first, or nothing is here
}

// List returns a part of the list of hosts, in one query however many there are.
//
// Errors: kind Invalid on the fields search, state, sort, label, cursor, limit.
func (s *Service) List(ctx context.Context, query Query) (*Page, error) {
	params, err := s.pageParams(&query)
	if err != nil {
		return nil, err
	}
	rows, err := s.store.Replanned().HostPage(ctx, params)
	if err != nil {
		return nil, fmt.Errorf("listing the hosts: %w", err)
	}
	back, more := params.Descending != query.Desc, len(rows) > query.Limit
	rows = rows[:min(len(rows), query.Limit)]
	if back {
		slices.Reverse(rows)
	}
	page := &Page{Hosts: make([]db.Host, 0, len(rows))}
	for i := range rows {
		page.Hosts, page.Total = append(page.Hosts, rows[i].Host), rows[i].Total
	}
	if len(rows) == 0 {
		return page, nil
	}
	at := func(row *db.HostPageRow) cursor {
		return cursor{Sort: query.Sort, Desc: query.Desc, Number: row.Number, Name: row.Host.FQDN}
	}
	if more || back {
		page.Next = at(&rows[len(rows)-1]).String()
	}
	if more && back || params.Past && !back {
		first := at(&rows[0])
		first.Back = true
		page.Prev = first.String()
	}
	return page, nil
}

// Holders counts the hosts, and those of them that are known to have the login of a digest.
func (s *Service) Holders(ctx context.Context, digest []byte) (holders, hosts int64, err error) {
	row, err := s.store.HostHolders(ctx, digest)
	if err != nil {
		return 0, 0, fmt.Errorf("counting the hosts: %w", err)
	}
	return row.Holders, row.Hosts, nil
}

// pageParams checks a query, fills in its defaults and puts it into what the database is asked.
func (s *Service) pageParams(query *Query) (params db.HostPageParams, err error) {
	if query.Sort == "" {
		query.Sort = SortName
	}
	if query.Limit == 0 {
		query.Limit = defaultPage
	}
	f := query.Filter
	params = db.HostPageParams{
		Sort: query.Sort, Descending: query.Desc, Search: query.Search, Now: s.now(), Secure: f.Secure, Roaming: f.Roaming, VIP: f.VIP,
		NeverSeen: f.NeverSeen, WindowOpen: f.WindowOpen, Outdated: f.Outdated,
		CodexVersion: reportedAs(query.Versions.Codex), NewestCodex: query.Versions.Newest, CdxVersion: reportedAs(query.Versions.Cdx),
	}
	if query.Limit < 1 || query.Limit > MaxPage {
		return params, errs.Field("limit", fmt.Sprintf("limit must be a number from 1 to %d", MaxPage))
	}
	params.Max, params.Behind = int32(query.Limit)+1, f.Behind
	if err := oneOf("sort", query.Sort, Sorts); err != nil {
		return params, err
	}
	switch f.State {
	case "":
	case StateExpired:
		params.Expired = new(true)
	default:
		if err := oneOf("state", f.State, States); err != nil {
			return params, err
		}
		params.Status = &f.State
	}
	if len(query.Search) > maxSearchBytes || !printsAs(query.Search, "") {
		return params, errs.Field("search", fmt.Sprintf("search wants a text of at most %d bytes that can be printed", maxSearchBytes))
	}
	if params.Labels, err = labelFilter(f.Label); err != nil {
		return params, err
	}
	if query.Cursor != "" {
		at, err := parseCursor(query.Cursor)
		if err != nil || at.Sort != query.Sort || at.Desc != query.Desc {
			return params, errs.Field("cursor", "cursor is none of this list")
		}
		params.Past, params.Number, params.Name = true, at.Number, at.Name
		params.Descending = query.Desc != at.Back // what comes before is what comes after, the other way round
	}
	return params, nil
}

// reportedAs is a version as it is kept when a host reports it.
func reportedAs(version string) string {
	if version == "" {
		return ""
	}
	return cleanVersion(version)
}

func labelFilter(labels map[string]string) (json.RawMessage, error) {
	if len(labels) == 0 {
		return json.RawMessage("{}"), nil
	}
	for key, value := range labels {
		if err := checkLabel(key, value); err != nil {
			return nil, err
		}
	}
	return json.Marshal(labels)
}

func oneOf(field, word string, words []string) error {
	if slices.Contains(words, word) {
		return nil
	}
	return errs.Field(field, field+" must be one of "+strings.Join(words, ", "))
}

// cursor is a place in a list: after a host of this rank and name, or before it.
type cursor struct {
	Sort   string `json:"s"`
	Desc   bool   `json:"d"`
	Number int64  `json:"n"`
	Name   string `json:"f"`
	Back   bool   `json:"b,omitempty"`
}

const maxCursorBytes = 600

// String is the cursor as callers get it. It says nothing that the list does not: it needs no signature.
func (c cursor) String() string {
	text, _ := json.Marshal(c) //nolint:errchkjson // two texts, a number and a flag
	return base64.RawURLEncoding.EncodeToString(text)
}

// parseCursor takes a cursor in the one spelling that it has.
func parseCursor(text string) (c cursor, err error) {
	bad := fmt.Errorf("no cursor: %.64q", text)
	if len(text) > maxCursorBytes {
		return c, bad
	}
	plain, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return c, bad
	}
	decoder := json.NewDecoder(bytes.NewReader(plain))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&c); err != nil || c.String() != text {
		return c, bad
	}
	if name, err := ParseFQDN(c.Name); err != nil || name != c.Name {
		return c, bad
	}
	return c, nil
}
