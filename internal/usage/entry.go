package usage

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of a report.
const (
	maxEntries    = 500
	maxBodyBytes  = 64 << 10
	maxModelBytes = 128
)

// Entry is what a host says it used in one session. Nil: it did not say.
type Entry struct {
	Line      *string
	Total     *int64
	Input     *int64
	Output    *int64
	Cached    *int64
	Reasoning *int64
	Model     *string
}

// Invalid says what is wrong with a report, by field, in the words of the contract.
type Invalid map[string][]string //nolint:errname // usage.Invalid says it

// Error implements error.
func (e Invalid) Error() string {
	return fmt.Sprintf("the usage report is invalid: %v", map[string][]string(e))
}

// Read reads a report: one entry, or {"usages": [entry, …]}, of whose elements those that are no objects are skipped.
//
// Errors: Invalid.
func Read(body []byte) ([]Entry, error) {
	if len(body) > maxBodyBytes {
		return nil, errTooLarge()
	}
	var report map[string]json.RawMessage
	_ = json.Unmarshal(body, &report) // no object: an empty entry, which says nothing
	var raw []json.RawMessage
	if json.Unmarshal(report["usages"], &raw) != nil || raw == nil {
		entry, problems := readEntry(report, "")
		if len(problems) > 0 {
			return nil, problems
		}
		return []Entry{entry}, nil
	}
	return ReadAll(raw)
}

// ReadAll reads the entries of a report. Errors: Invalid.
func ReadAll(raw []json.RawMessage) ([]Entry, error) {
	if len(raw) > maxEntries {
		return nil, Invalid{"usages": {fmt.Sprintf("a report may have %d entries at most", maxEntries)}}
	}
	var entries []Entry
	problems, size := Invalid{}, 0
	for i, text := range raw {
		if size += len(text); size > maxBodyBytes {
			return nil, errTooLarge()
		}
		var members map[string]json.RawMessage
		if json.Unmarshal(text, &members) != nil || members == nil {
			continue
		}
		entry, wrong := readEntry(members, "usages."+strconv.Itoa(i)+".")
		maps.Copy(problems, wrong)
		entries = append(entries, entry)
	}
	if len(entries) == 0 {
		problems["usages"] = []string{"there is no entry"}
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return entries, nil
}

func errTooLarge() Invalid {
	return Invalid{"usages": {fmt.Sprintf("a report may have %d bytes at most", maxBodyBytes)}}
}

// readEntry reads one entry; at is what its fields are called in front of their names.
func readEntry(members map[string]json.RawMessage, at string) (Entry, Invalid) {
	var entry Entry
	problems := Invalid{}
	var line, model string
	if json.Unmarshal(members["line"], &line) == nil {
		entry.Line = textOrNil(CleanLine(line))
	}
	if json.Unmarshal(members["model"], &model) == nil {
		entry.Model = textOrNil(cleanModel(model))
	}
	for _, number := range []struct {
		name    string
		to      **int64
		lenient bool // of a type that is no number: ignored
	}{
		{"total", &entry.Total, false}, {"input", &entry.Input, false}, {"output", &entry.Output, false},
		{"cached", &entry.Cached, true}, {"reasoning", &entry.Reasoning, true},
	} {
		value, problem := readNumber(members[number.name], number.lenient)
		if problem != "" {
			problems[at+number.name] = []string{at + number.name + " " + problem}
		}
		*number.to = value
	}
	if len(problems) == 0 && entry.Line == nil && !entry.hasNumber() {
		problems[strings.TrimSuffix(at+"line", ".")] = []string{"line or at least one numeric field is required"}
	}
	return entry, problems
}

func (e *Entry) hasNumber() bool {
	return e.Total != nil || e.Input != nil || e.Output != nil || e.Cached != nil || e.Reasoning != nil
}

// readNumber reads a count as deployed clients write it: a JSON number, truncated toward zero, or a string of digits
// with commas, underscores and blanks among them. What is too big for 64 bits is the biggest number there is.
func readNumber(raw json.RawMessage, lenient bool) (value *int64, problem string) {
	raw = bytes.TrimSpace(raw)
	switch {
	case len(raw) == 0 || bytes.Equal(raw, []byte("null")):
		return nil, ""
	case raw[0] == '"':
		var text string
		if json.Unmarshal(raw, &text) != nil {
			return nil, "must be a number (digits, optional commas)"
		}
		return readDigits(text)
	case raw[0] == '-' || (raw[0] >= '0' && raw[0] <= '9'):
		return readJSONNumber(string(raw))
	case lenient:
		return nil, ""
	}
	return nil, "must be an integer"
}

func readDigits(text string) (value *int64, problem string) {
	digits := strings.Map(func(r rune) rune {
		if r == ',' || r == '_' || unicode.IsSpace(r) {
			return -1
		}
		return r
	}, text)
	switch {
	case strings.TrimSpace(text) == "":
		return nil, ""
	case digits == "" || strings.Trim(digits, "0123456789") != "":
		return nil, "must be a number (digits, optional commas)"
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		n = math.MaxInt64
	}
	return &n, ""
}

func readJSONNumber(text string) (value *int64, problem string) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		float, _, parseErr := big.ParseFloat(text, 10, 64, big.ToZero) // exponents beyond float64 included
		if parseErr != nil {
			return nil, "must be an integer"
		}
		n, _ = float.Int64() // truncates toward zero and saturates
	}
	if n < 0 {
		return nil, "must be non-negative"
	}
	return &n, ""
}

// cleanModel is the name of a model as it is kept: printable, at most 128 bytes, cut between characters.
func cleanModel(model string) string {
	model = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, strings.TrimSpace(model))
	for len(model) > maxModelBytes {
		_, size := utf8.DecodeLastRuneInString(model)
		model = model[:len(model)-size]
	}
	return strings.TrimSpace(model)
}

// digest identifies what a report says, however it was written.
func digest(entries []Entry) []byte {
	text, err := json.Marshal(entries)
	if err != nil {
		panic(fmt.Sprintf("encoding usage entries: %v", err)) // strings and numbers always encode
	}
	sum := sha256.Sum256(text)
	return sum[:]
}

func textOrNil(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
