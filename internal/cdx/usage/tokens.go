package usage

import (
	"encoding/json"
	"errors"
	"strconv"
)

// Tokens are what was used, as Codex's own line says it at the end of a session: the input without what came from the
// cache, which is counted beside it. Reasoning is a part of the output.
type Tokens struct {
	Input     int64 `json:"input"`
	Cached    int64 `json:"cached"`
	Output    int64 `json:"output"`
	Reasoning int64 `json:"reasoning"`
}

// Total is what Codex calls the total: without the cached input.
func (t Tokens) Total() int64 { return plus(t.Input, t.Output) }

func (t Tokens) plus(u Tokens) Tokens {
	return Tokens{plus(t.Input, u.Input), plus(t.Cached, u.Cached), plus(t.Output, u.Output), plus(t.Reasoning, u.Reasoning)}
}

// beyond is what t has more than u.
func (t Tokens) beyond(u Tokens) Tokens {
	return Tokens{max(t.Input-u.Input, 0), max(t.Cached-u.Cached, 0), max(t.Output-u.Output, 0), max(t.Reasoning-u.Reasoning, 0)}
}

func (t Tokens) sound() bool {
	for _, n := range []int64{t.Input, t.Cached, t.Output, t.Reasoning} {
		if n < 0 || n > maxCount {
			return false
		}
	}
	return true
}

// maxCount is the most that is counted: every reader of JSON has numbers up to here.
const maxCount = 1 << 53

func plus(a, b int64) int64 { return min(a+b, maxCount) }

// counters are Codex's, of which the input includes what came from the cache.
type counters struct {
	Input     count `json:"input_tokens"`
	Cached    count `json:"cached_input_tokens"`
	Output    count `json:"output_tokens"`
	Reasoning count `json:"reasoning_output_tokens"`
}

// count is a number of tokens, from 0 to maxCount.
type count int64

var errNoCount = errors.New("is no count")

// UnmarshalJSON implements json.Unmarshaler.
func (c *count) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		return nil
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || n < 0 || n > maxCount {
		return errNoCount
	}
	*c = count(n)
	return nil
}

// since is what was used between two moments of a thread, whose counters only grow.
func (c counters) since(earlier counters) counters {
	return counters{
		max(c.Input-earlier.Input, 0), max(c.Cached-earlier.Cached, 0),
		max(c.Output-earlier.Output, 0), max(c.Reasoning-earlier.Reasoning, 0),
	}
}

// atMost is c, but in no part more than the limit.
func (c counters) atMost(limit counters) counters {
	return counters{
		min(c.Input, limit.Input), min(c.Cached, limit.Cached), min(c.Output, limit.Output), min(c.Reasoning, limit.Reasoning),
	}
}

func (c counters) tokens() Tokens {
	return Tokens{
		Input: int64(max(c.Input-c.Cached, 0)), Cached: int64(min(c.Cached, c.Input)),
		Output: int64(c.Output), Reasoning: int64(min(c.Reasoning, c.Output)),
	}
}

// entry is what is reported of one thread and model. The model is "" if nobody knows it.
type entry struct {
	Model string `json:"model,omitempty"`
	Tokens
}

// wire is an entry as POST /usage takes it.
func (e entry) wire() any {
	return struct {
		Total int64 `json:"total"`
		entry
	}{e.Total(), e}
}

// cleanModel is the name of a model, "" if it cannot be one. It comes from a file that holds conversations.
func cleanModel(name json.RawMessage) string {
	var model string
	if len(name) > 2*maxModelBytes || json.Unmarshal(name, &model) != nil || !soundModel(model) {
		return ""
	}
	return model
}

const maxModelBytes = 128 // as the gateway keeps

func soundModel(model string) bool {
	for _, c := range []byte(model) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case c == '-', c == '.', c == '_', c == ':', c == '/', c == '@', c == '+':
		default:
			return false
		}
	}
	return len(model) <= maxModelBytes
}
