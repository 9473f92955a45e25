package admin

import (
	"cmp"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/fleet"
)

const (
	maxPage      = 500 // of most lists
	defaultPage  = 50
	maxTextBytes = 256
)

// query is what a GET asks for. It is read strictly, since a filter that is misspelt or misunderstood would tell too much:
// err is what was wrong first, and every value is a fallback then.
type query struct {
	values url.Values
	err    error
}

// readQuery reads the parameters of a route, each of which may be given once.
func readQuery(r *call.Request, names ...string) *query {
	q := &query{}
	if q.values, q.err = url.ParseQuery(r.URL.RawQuery); q.err != nil {
		q.values, q.err = nil, errs.Field("query", "the query is not well-formed")
		return q
	}
	for name, values := range q.values {
		switch {
		case !slices.Contains(names, name):
			q.fail("query", fmt.Sprintf("there is no parameter %.64q; want %s", name, cmp.Or(strings.Join(names, ", "), "none")))
		case len(values) > 1:
			q.fail(name, name+" is given more than once")
		}
	}
	return q
}

func (q *query) fail(field, text string) {
	if q.err == nil {
		q.err = errs.Field(field, text)
	}
}

// number is a parameter that is a number from 1 to high.
func (q *query) number(name string, fallback, high int64) int64 {
	text := q.values.Get(name)
	if text == "" && !q.values.Has(name) {
		return fallback
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 || n > high || strconv.FormatInt(n, 10) != text {
		q.fail(name, fmt.Sprintf("%s must be a number from 1 to %d", name, high))
		return fallback
	}
	return n
}

// id is a parameter that is an id; 0: it is not given.
func (q *query) id(name string) int64 {
	if !q.values.Has(name) {
		return 0
	}
	return q.number(name, 0, 1<<62)
}

// uuid is a parameter that is a UUID; nil: it is not given.
func (q *query) uuid(name string) *uuid.UUID {
	if !q.values.Has(name) {
		return nil
	}
	id, err := uuid.Parse(q.values.Get(name))
	if err != nil {
		q.fail(name, name+" must be a UUID")
	}
	return &id
}

// flag is a parameter that is yes or no, in the words that bodies may have.
func (q *query) flag(name string) bool {
	if !q.values.Has(name) {
		return false
	}
	var flag api.FlexBool
	if err := flag.UnmarshalJSON([]byte(strconv.Quote(q.values.Get(name)))); err != nil || flag.Invalid {
		q.fail(name, name+" must be boolean")
	}
	return flag.Value
}

// flagIfGiven is a parameter that is yes or no; nil: it is not given.
func (q *query) flagIfGiven(name string) *bool {
	if !q.values.Has(name) {
		return nil
	}
	return new(q.flag(name))
}

// text is a parameter that is a text to look for.
func (q *query) text(name string) string {
	text := strings.TrimSpace(q.values.Get(name))
	if len(text) > maxTextBytes || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		q.fail(name, fmt.Sprintf("%s must be a text of at most %d bytes without control characters", name, maxTextBytes))
		return ""
	}
	return text
}

// word is a parameter that is one of some words.
func (q *query) word(name, fallback string, words ...string) string {
	text := q.values.Get(name)
	if !q.values.Has(name) {
		return fallback
	}
	if !slices.Contains(words, text) {
		q.fail(name, name+" must be one of "+strings.Join(words, ", "))
		return fallback
	}
	return text
}

// cursor is that of a list whose subject makes and checks its cursors; "": the list's beginning.
func (q *query) cursor() string {
	place := q.values.Get("cursor")
	if place == "" && q.values.Has("cursor") {
		q.fail("cursor", "cursor is none of this list")
	}
	return place
}

// moment is a parameter that is a time, or a day, UTC, for its beginning; nil: it is not given.
func (q *query) moment(name string) *time.Time {
	if !q.values.Has(name) {
		return nil
	}
	for _, form := range []string{time.RFC3339Nano, time.DateOnly} {
		if at, err := time.Parse(form, q.values.Get(name)); err == nil {
			return new(at.UTC())
		}
	}
	q.fail(name, name+" must be a time such as 2026-01-31T08:00:00Z, or a day such as 2026-01-31")
	return nil
}

// network is a parameter that is an address or a network; "": it is not given.
func (q *query) network(name string) string {
	if !q.values.Has(name) {
		return ""
	}
	text := q.values.Get(name)
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		return addr.Unmap().String()
	}
	if prefix, err := netip.ParsePrefix(text); err == nil && fleet.IsNetwork(prefix) {
		return prefix.String()
	}
	q.fail(name, name+" must be an address such as 203.0.113.7, or a network such as 203.0.113.0/24")
	return ""
}
