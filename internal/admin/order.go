package admin

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"unicode"

	"github.com/cdxgate/cdxgate/internal/errs"
)

// Directions of a list.
const (
	ascending  = "asc"
	descending = "desc"
)

// order is how a list is sorted, and from where on it is asked for.
type order struct {
	list  string
	sort  string // "": there is but one
	desc  bool
	after *place // nil: from the beginning
}

// place is a place in a list in one order: after an item of this rank. As JSON it is in cursors.
type place struct {
	List    string  `json:"l"`
	Sort    string  `json:"s,omitempty"`
	Desc    bool    `json:"d,omitempty"`
	Numbers []int64 `json:"n"`
	Text    string  `json:"t,omitempty"`
}

const maxCursorBytes = 2048

var errCursor = errs.Field("cursor", "cursor is none of this list")

// order reads sort, direction and cursor of a list, whose places have so many numbers. A list that has one order only takes
// no sort; the first of several is what it has when nobody says.
func (q *query) order(list, direction string, numbers int, sorts ...string) order {
	o := order{list: list}
	if len(sorts) > 0 {
		o.sort = q.word("sort", sorts[0], sorts...)
	}
	o.desc = q.word("direction", direction, ascending, descending) == descending
	if !q.values.Has("cursor") {
		return o
	}
	at, err := parsePlace(q.values.Get("cursor"))
	if err != nil || at.List != o.list || at.Sort != o.sort || at.Desc != o.desc || len(at.Numbers) != numbers {
		q.fail("cursor", "cursor is none of this list")
		return o
	}
	o.after = at
	return o
}

// parsePlace takes a cursor in the one spelling that it has.
func parsePlace(text string) (*place, error) {
	if len(text) > maxCursorBytes {
		return nil, errCursor
	}
	plain, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, errCursor
	}
	at := &place{}
	decoder := json.NewDecoder(bytes.NewReader(plain))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(at); err != nil || at.String() != text || strings.ContainsFunc(at.Text, unicode.IsControl) {
		return nil, errCursor
	}
	return at, nil
}

// String is the place as callers get it. It says nothing that the list does not: it needs no signature.
func (p *place) String() string {
	text, _ := json.Marshal(p) //nolint:errchkjson // texts, numbers and a flag
	return base64.RawURLEncoding.EncodeToString(text)
}

// cursor is what a caller gets to ask for what comes after an item of a rank.
func (o order) cursor(text string, numbers ...int64) *string {
	at := place{List: o.list, Sort: o.sort, Desc: o.desc, Numbers: numbers, Text: text}
	return new(at.String())
}

// pageOf drops the row beyond a page, which says that there is another one: after the last of this page.
func pageOf[T any](rows []T, limit int64, cursor func(last *T) *string) ([]T, *string) {
	if int64(len(rows)) <= limit {
		return rows, nil
	}
	rows = rows[:limit]
	return rows, cursor(&rows[limit-1])
}

// rank is where an item belongs in a list that is sorted here. No two items have the same.
type rank struct {
	number int64
	text   string
	id     int64
}

func (r rank) compare(other rank) int {
	return cmp.Or(cmp.Compare(r.number, other.number), strings.Compare(r.text, other.text), cmp.Compare(r.id, other.id))
}

// rankNumbers is how many numbers the place of a rank has.
const rankNumbers = 2

// part is a page of a list that is small enough to be sorted here, and the cursor of the part that follows; nil: none does.
func part[T any](list []T, o order, limit int64, rankOf func(*T) rank) (page []T, next *string) {
	compare := rank.compare
	if o.desc {
		compare = func(a, b rank) int { return b.compare(a) }
	}
	slices.SortFunc(list, func(a, b T) int { return compare(rankOf(&a), rankOf(&b)) })
	if o.after != nil {
		at := rank{o.after.Numbers[0], o.after.Text, o.after.Numbers[1]}
		list = slices.DeleteFunc(list, func(item T) bool { return compare(rankOf(&item), at) <= 0 })
	}
	return pageOf(list, limit, func(last *T) *string {
		r := rankOf(last)
		return o.cursor(r.text, r.number, r.id)
	})
}

// has reports whether one of some texts has another in it, whatever the case.
func has(search string, texts ...string) bool {
	search = strings.ToLower(search)
	return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(strings.ToLower(text), search) })
}
