package quota

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/cdxgate/cdxgate/internal/errs"
)

// Bounds on what is believed. Beyond them a number is unknown, never clamped: it is none that we understand.
const (
	maxPercent   = 1000
	maxSeconds   = 366 * 24 * 60 * 60
	maxUnix      = 253402300799 // the last second of the year 9999
	maxMessages  = math.MaxInt32
	maxNameBytes = 64
)

// Snapshot is what was said about an account's limits at a moment. What was not said is nil, empty or zero, never 0 percent.
type Snapshot struct {
	FetchedAt      time.Time
	Plan           string // plus, pro, …; "": unknown
	Allowed        *bool
	Reached        *bool
	Short, Long    Window // that of hours, that of days
	HasCredits     *bool
	Unlimited      *bool
	CreditBalance  string
	LocalMessages  []int32 // about so many, from and to; nil: unknown
	CloudMessages  []int32
	ID             int64 // of a snapshot that is kept
	FromHost       bool  // a host said so
	HostID         *int64
	HostFQDN       string
	CreatedAt      time.Time
	chatgptAccount string
}

// Refusals of an upstream's answer. What it was is not in them: it may hold account data.
var (
	errNoJSON = errors.New("the answer is no JSON object")
	// errMoved is an answer that says nothing where the limits were. To take it for one without limits would put "unknown"
	// in the place of the last good answer.
	errMoved = errors.New("the answer has no limits where they used to be")
)

// readAnswer reads what {chatgpt_url}/wham/usage answered at a moment. Members that are missing or of another type are
// unknown, as long as there is a place for the limits, even if it is null.
func readAnswer(body []byte, at time.Time) (Snapshot, error) {
	var answer map[string]json.RawMessage
	if json.Unmarshal(body, &answer) != nil || answer == nil {
		return Snapshot{}, errNoJSON
	}
	s := Snapshot{FetchedAt: at, Plan: name(answer["plan_type"])}
	limits, null := object(answer["rate_limit"])
	if limits == nil && !null {
		return Snapshot{}, errMoved
	}
	if limits != nil {
		s.Allowed, s.Reached = boolean(limits["allowed"]), boolean(limits["limit_reached"])
		first, firstIs := answerWindow(limits["primary_window"], at)
		second, secondIs := answerWindow(limits["secondary_window"], at)
		if !firstIs && !secondIs {
			return Snapshot{}, errMoved
		}
		s.Short, s.Long = arrange(first, second)
	}
	credits, _ := object(answer["credits"])
	s.HasCredits, s.Unlimited = boolean(credits["has_credits"]), boolean(credits["unlimited"])
	s.CreditBalance = name(credits["balance"])
	if s.CreditBalance == "" {
		s.CreditBalance = numeral(credits["balance"])
	}
	s.LocalMessages, s.CloudMessages = span(credits["approx_local_messages"]), span(credits["approx_cloud_messages"])
	return s, nil
}

// answerWindow reads a window. is reports whether its place is there: null, or a window that says how much was used.
func answerWindow(raw json.RawMessage, at time.Time) (w Window, is bool) {
	members, null := object(raw)
	if members == nil {
		return Window{}, null
	}
	w.UsedPercent = percent(members["used_percent"])
	if seconds := number(members["limit_window_seconds"], maxSeconds); seconds >= 1 {
		w.Length = time.Duration(seconds) * time.Second
	}
	// A window that says that it is reset after more than it lasts does not say when.
	latest := at.Add(cmp.Or(w.Length, maxSeconds*time.Second) + resetEarly)
	if seconds := number(members["reset_at"], maxUnix); seconds >= 1 {
		w.ResetsAt = time.Unix(int64(seconds), 0).UTC()
	}
	if seconds := number(members["reset_after_seconds"], maxSeconds); seconds >= 0 && (w.ResetsAt.IsZero() || w.ResetsAt.After(latest)) {
		w.ResetsAt = at.Add(time.Duration(seconds) * time.Second).UTC()
	}
	if w.ResetsAt.After(latest) {
		w.ResetsAt = time.Time{}
	}
	return w, w.UsedPercent != nil
}

const (
	// MaxReportBytes is the length of the longest report of a host's.
	MaxReportBytes = 4 << 10
	mainLimit      = "codex" // limit_id; the others are of single models
	resetEarly     = day     // how much later than its length a window may be reset: clocks differ, and so do beginnings
	reportField    = "usage.rate_limits"
)

// ReadReport reads the rate limits that a host found in what its Codex wrote down at a moment. It is stricter than the
// reading of ChatGPT's own answer: what makes no sense in one place is not believed in another.
//
// Errors: kind Invalid on field usage.rate_limits.
func ReadReport(raw json.RawMessage, seen time.Time) (Snapshot, error) {
	var report struct {
		ID        *string         `json:"limit_id"`
		Plan      json.RawMessage `json:"plan_type"`
		Primary   json.RawMessage `json:"primary"`
		Secondary json.RawMessage `json:"secondary"`
	}
	if len(raw) > MaxReportBytes || json.Unmarshal(raw, &report) != nil {
		return Snapshot{}, errs.Field(reportField, fmt.Sprintf("rate_limits must be an object of at most %d bytes", MaxReportBytes))
	}
	if report.ID != nil && *report.ID != mainLimit {
		return Snapshot{}, errs.Field(reportField, "rate_limits must be those of the account, not of a single model")
	}
	first, err := reportWindow(report.Primary, seen)
	if err != nil {
		return Snapshot{}, err
	}
	second, err := reportWindow(report.Secondary, seen)
	if err != nil {
		return Snapshot{}, err
	}
	s := Snapshot{FetchedAt: seen, Plan: name(report.Plan), FromHost: true}
	if s.Short, s.Long = arrange(first, second); s.Short == (Window{}) && s.Long == (Window{}) {
		return Snapshot{}, errs.Field(reportField, "rate_limits must have a window")
	}
	return s, nil
}

func reportWindow(raw json.RawMessage, seen time.Time) (Window, error) {
	members, null := object(raw)
	if members == nil {
		if null || len(raw) == 0 {
			return Window{}, nil
		}
		return Window{}, errs.Field(reportField, "a window must be an object")
	}
	w := Window{UsedPercent: percent(members["used_percent"])}
	minutes, resets := number(members["window_minutes"], maxSeconds/60), number(members["resets_at"], maxUnix)
	if w.UsedPercent == nil || !(minutes >= 1) || !(resets >= 1) {
		return Window{}, errs.Field(reportField, "a window must have used_percent, window_minutes and resets_at")
	}
	w.Length, w.ResetsAt = time.Duration(minutes)*time.Minute, time.Unix(int64(resets), 0).UTC()
	if !w.ResetsAt.After(seen) || w.ResetsAt.After(seen.Add(w.Length+resetEarly)) {
		return Window{}, errs.Field(reportField, "resets_at must lie within the window that was seen")
	}
	return w, nil
}

// object is the members of an object; nil: it is none. null reports the literal.
func object(raw json.RawMessage) (members map[string]json.RawMessage, null bool) {
	if string(raw) == "null" {
		return nil, true
	}
	if json.Unmarshal(raw, &members) != nil {
		return nil, false
	}
	return members, false
}

func boolean(raw json.RawMessage) *bool {
	var value *bool
	if json.Unmarshal(raw, &value) != nil {
		return nil
	}
	return value
}

// number is a number from 0 to limit, which may be written as a string; NaN if it is none.
func number(raw json.RawMessage, limit float64) float64 {
	text := string(raw)
	var unquoted string
	if json.Unmarshal(raw, &unquoted) == nil {
		text = strings.TrimSpace(unquoted)
	}
	if text == "" || strings.Trim(text, "0123456789.eE+-") != "" { // no "Inf", no "0x1p-2"
		return math.NaN()
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n >= 0 && n <= limit) {
		return math.NaN()
	}
	return n
}

func percent(raw json.RawMessage) *int {
	n := number(raw, maxPercent)
	if math.IsNaN(n) {
		return nil
	}
	return new(int(n))
}

// name is a short printable text; "": it is none.
func name(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return ""
	}
	text = strings.TrimSpace(text)
	if len(text) > maxNameBytes || strings.ContainsFunc(text, func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }) {
		return ""
	}
	return text
}

// numeral is a number as it was written; "": it is none.
func numeral(raw json.RawMessage) string {
	var n json.Number
	if len(raw) > maxNameBytes || json.Unmarshal(raw, &n) != nil {
		return ""
	}
	return n.String()
}

// span is two numbers, from and to; nil: it is none.
func span(raw json.RawMessage) []int32 {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil || len(list) != 2 {
		return nil
	}
	numbers := make([]int32, 0, len(list))
	for _, item := range list {
		n := number(item, maxMessages)
		if math.IsNaN(n) {
			return nil
		}
		numbers = append(numbers, int32(n))
	}
	return numbers
}
