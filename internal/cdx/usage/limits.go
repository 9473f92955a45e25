package usage

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// Limits are the rate limits of the account, as the answers of the model service told Codex. The zero value: unknown.
type Limits struct {
	SeenAt  time.Time
	Plan    string // "": unknown
	Windows []Window
}

// Window is one limit.
type Window struct {
	UsedPercent float64       // NaN: unknown
	Length      time.Duration // 0: unknown
	ResetsAt    time.Time     // zero: unknown
}

// ParseLimits reads rate limits as Codex writes them. What is missing or makes no sense is unknown; a window of which
// everything is unknown is left out. SeenAt is not in them.
func ParseLimits(raw json.RawMessage) Limits {
	var written struct {
		Plan      json.RawMessage `json:"plan_type"`
		Primary   json.RawMessage `json:"primary"`
		Secondary json.RawMessage `json:"secondary"`
	}
	if json.Unmarshal(raw, &written) != nil {
		return Limits{}
	}
	limits := Limits{Plan: cleanModel(written.Plan)} // a name of the same kind
	for _, text := range []json.RawMessage{written.Primary, written.Secondary} {
		if w, ok := parseWindow(text); ok {
			limits.Windows = append(limits.Windows, w)
		}
	}
	return limits
}

func parseWindow(raw json.RawMessage) (Window, bool) {
	var written struct {
		UsedPercent   json.RawMessage `json:"used_percent"`
		WindowMinutes json.RawMessage `json:"window_minutes"`
		ResetsAt      json.RawMessage `json:"resets_at"` // Unix seconds
	}
	if json.Unmarshal(raw, &written) != nil {
		return Window{}, false
	}
	w := Window{UsedPercent: number(written.UsedPercent, 10_000)}
	if minutes := number(written.WindowMinutes, 10*366*24*60); !math.IsNaN(minutes) {
		w.Length = time.Duration(minutes) * time.Minute
	}
	if seconds := number(written.ResetsAt, 1<<38); !math.IsNaN(seconds) && seconds >= 1 {
		w.ResetsAt = time.Unix(int64(seconds), 0)
	}
	return w, !math.IsNaN(w.UsedPercent) || w.Length > 0 || !w.ResetsAt.IsZero()
}

// number is a number from 0 to limit, which may be written as a string; NaN if it is none.
func number(raw json.RawMessage, limit float64) float64 {
	text := string(bytes.TrimSpace(raw))
	if unquoted, err := strconv.Unquote(text); err == nil {
		text = unquoted
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n >= 0 && n <= limit) {
		return math.NaN()
	}
	return n
}

// snapshot is what Codex wrote, kept for the gateway as it is. The zero value: nothing.
type snapshot struct {
	Seen int64           `json:"seen,omitempty"` // Unix milliseconds
	Raw  json.RawMessage `json:"raw,omitempty"`
}

const (
	maxLimitsBytes = 4 << 10
	mainLimit      = "codex" // limit_id; the others are of single models
)

// readLimits returns the snapshot of an event; the zero value if it says nothing about the account.
func readLimits(raw json.RawMessage, at time.Time) snapshot {
	var written struct {
		ID *string `json:"limit_id"`
	}
	text, err := json.Marshal(raw) // as it will be written down
	if err != nil || len(text) > maxLimitsBytes || !utf8.Valid(text) || json.Unmarshal(text, &written) != nil ||
		written.ID != nil && *written.ID != mainLimit || len(ParseLimits(text).Windows) == 0 {
		return snapshot{}
	}
	return snapshot{Seen: at.UnixMilli(), Raw: text}
}

// newer is the newer of two snapshots. None is from later than now, or none could follow it.
func newer(a, b snapshot, now time.Time) snapshot {
	b.Seen = min(b.Seen, now.UnixMilli())
	if b.Raw == nil || a.Raw != nil && a.Seen > b.Seen {
		return a
	}
	return b
}

func (s snapshot) sound() bool {
	return s.Raw == nil || len(s.Raw) <= maxLimitsBytes && json.Valid(s.Raw)
}
