package credential

import (
	"regexp"
	"strings"
	"time"

	"github.com/cdxgate/cdxgate/internal/errs"
)

// How far a last_refresh may lie in the future, since clocks differ. A host is told what to do with a file even if its
// clock is off by minutes, but one that becomes canonical must not win against later ones for long.
const (
	UploadSlack   = 60 * time.Second
	RetrieveSlack = 300 * time.Second
)

// oldestRefresh is older than Codex. It is itself legal: clients report it when they have no file.
var oldestRefresh = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// ParseLastRefresh reads a last_refresh: RFC 3339 to the letter, with up to nine digits of a second's fraction and
// nothing around it. The result is in UTC and truncated to microseconds, which is what instants are compared at: the
// database keeps no more, and deployed clients and servers compare no more.
//
// latest is the last moment that is believed, usually now plus a slack.
//
// Errors: kind Invalid, about field, with literal texts.
func ParseLastRefresh(field, text string, latest time.Time) (time.Time, error) {
	if trim(text) == "" {
		return time.Time{}, errs.Field(field, "last_refresh is required")
	}
	at, ok := parseRFC3339(text)
	switch {
	case !ok:
		return time.Time{}, errs.Field(field, "must be an RFC3339 timestamp")
	case at.Before(oldestRefresh):
		return time.Time{}, errs.Field(field, "timestamp is implausibly old")
	case at.After(latest):
		return time.Time{}, errs.Field(field, "timestamp is in the future")
	}
	return at.UTC().Truncate(time.Microsecond), nil
}

// rfc3339 is the grammar, which time.Parse takes less seriously: it accepts one digit of an hour, a comma, offsets of
// more than a day, and fractions of any length, of which it drops what a nanosecond cannot hold. A leap second is
// refused by time.Parse; no Codex writes one.
var rfc3339 = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`)

func parseRFC3339(text string) (at time.Time, ok bool) {
	if !rfc3339.MatchString(text) {
		return time.Time{}, false
	}
	at, err := time.Parse(time.RFC3339, strings.ToUpper(text))
	return at, err == nil
}
