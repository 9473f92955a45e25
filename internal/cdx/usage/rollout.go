package usage

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"
)

// reading is what one rollout file says.
type reading struct {
	models map[string]Tokens // model → used by this thread after the moment from which it counts
	run    Tokens            // used by this thread since the run began, whatever was counted already
	limits snapshot          // the newest
	newest time.Time         // when the last of its events happened
}

// reader follows a thread through its file. Codex writes after each answer of the model how much the thread has used in all.
type reader struct {
	reading
	from, since time.Time

	at       time.Time // of the current line, or of the last that says
	model    string
	created  time.Time // of the thread
	begun    bool      // the first line, which says whose thread this is, was there
	forked   bool      // the file may begin with what another thread has done and counted
	own      bool      // what follows, this thread does itself
	previous counters  // as the thread stood
}

// Limits of a file.
const (
	maxLineBytes = 4 << 20 // of a line that is looked at: the first one holds the instructions of the model
	headBytes    = 512     // in which a line says what it is
	maxModels    = 8       // in one thread that are told apart
)

// readRollout reads the complete lines of a rollout file. What happened until from, that moment included, is history.
// Errors: those of r, and of ctx.
func readRollout(ctx context.Context, r io.Reader, from, since time.Time) (reading, error) {
	t := &reader{reading: reading{models: map[string]Tokens{}}, from: from, since: since, at: time.UnixMilli(0)}
	in := bufio.NewReaderSize(r, 64<<10)
	var long []byte // what was read of a line that is longer than the buffer
	skip := false
	for {
		if err := ctx.Err(); err != nil {
			return t.reading, err
		}
		part, err := in.ReadSlice('\n')
		if len(long) == 0 && !skip {
			skip = !matters(part)
		}
		switch {
		case err == nil && !skip && len(long) == 0:
			t.line(part)
		case !skip:
			if long = append(long, part...); err == nil {
				t.line(long)
			}
			skip = len(long) > maxLineBytes
		}
		switch {
		case errors.Is(err, io.EOF):
			return t.reading, nil // a last line without an end is being written
		case err == nil:
			long, skip = long[:0], false
		case skip:
			long = nil
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return t.reading, err
		}
	}
}

var marks = [][]byte{[]byte(`"token_count"`), []byte(`"turn_context"`), []byte(`"task_started"`), []byte(`"session_meta"`)}

// matters tells the lines that may be needed from the conversation, which is nearly all of a file.
func matters(start []byte) bool {
	head := start[:min(len(start), headBytes)]
	for _, mark := range marks {
		if bytes.Contains(head, mark) {
			return true
		}
	}
	return false
}

// line reads one line. One that makes no sense says nothing.
func (t *reader) line(text []byte) {
	var line struct {
		Timestamp string          `json:"timestamp"`
		Type      string          `json:"type"`
		Payload   json.RawMessage `json:"payload"`
	}
	if json.Unmarshal(text, &line) != nil {
		return
	}
	if at, err := time.Parse(time.RFC3339Nano, line.Timestamp); err == nil {
		t.at = at
	}
	var payload struct {
		Type string `json:"type"`
	}
	_ = json.Unmarshal(line.Payload, &payload) // not all have one
	switch {
	case line.Type == "session_meta" && !t.begun:
		t.begin(line.Payload)
	case line.Type == "turn_context", line.Type == "event_msg" && payload.Type == "task_started":
		t.turn(line.Payload)
	case line.Type == "event_msg" && payload.Type == "token_count":
		t.count(line.Payload)
	}
}

// begin reads the first line. A second of its kind belongs to the thread that this one was forked from.
func (t *reader) begin(raw json.RawMessage) {
	var meta struct {
		ID     string          `json:"id"`
		Fork   json.RawMessage `json:"forked_from_id"`
		Parent json.RawMessage `json:"parent_thread_id"`
		Base   json.RawMessage `json:"history_base"`
	}
	if json.Unmarshal(raw, &meta) != nil {
		return
	}
	t.begun, t.created = true, t.at
	if minted, ok := mintedAt(meta.ID); ok {
		t.created = minted
	}
	for _, other := range []json.RawMessage{meta.Fork, meta.Parent, meta.Base} {
		t.forked = t.forked || len(other) > 0 && string(other) != "null"
	}
	t.own = !t.forked
}

// copying is how long Codex may take to copy the history of a thread into a fork: it dates the copied lines anew.
const copying = 2 * time.Second

// turn reads which model answers from here on. In a fork, the first turn that began after the fork was made is the
// first of its own; what it was copied from was counted where it happened.
func (t *reader) turn(raw json.RawMessage) {
	var turn struct {
		ID    string          `json:"turn_id"`
		Model json.RawMessage `json:"model"`
	}
	if json.Unmarshal(raw, &turn) != nil {
		return
	}
	if turn.Model != nil {
		t.model = cleanModel(turn.Model)
	}
	if t.own {
		return
	}
	began, ok := mintedAt(turn.ID)
	if !ok { // of a Codex that numbered its turns
		began = t.at.Add(-copying)
	}
	t.own = !began.Before(t.created)
}

// count reads how the thread stands.
func (t *reader) count(raw json.RawMessage) {
	var event struct {
		Info *struct {
			Total *counters `json:"total_token_usage"`
			Last  *counters `json:"last_token_usage"`
		} `json:"info"`
		RateLimits json.RawMessage `json:"rate_limits"`
	}
	if json.Unmarshal(raw, &event) != nil || t.forked && !t.own {
		return
	}
	if t.at.After(t.newest) {
		t.newest = t.at
	}
	if limits := readLimits(event.RateLimits, t.at); limits.Raw != nil {
		t.limits = limits
	}
	if event.Info == nil || event.Info.Total == nil {
		return
	}
	t.add(t.step(*event.Info.Total, event.Info.Last))
}

// step is what was used between the last event and one that tells total. It is the difference, except where that means
// nothing: in a fork, which may begin with the total of its parent, and when a total falls because Codex began it anew.
// Then it is what the last answer cost.
func (t *reader) step(total counters, last *counters) Tokens {
	used := total.since(t.previous)
	fell := total.Input < t.previous.Input || total.Output < t.previous.Output
	if t.forked || fell {
		used = counters{}
		if last != nil {
			used = last.atMost(total)
		}
	}
	t.forked, t.previous = false, total // from here on it counts as any other
	return used.tokens()
}

func (t *reader) add(used Tokens) {
	if !t.at.Before(t.since) {
		t.run = t.run.plus(used)
	}
	if !t.at.After(t.from) {
		return
	}
	model := t.model
	if _, known := t.models[model]; !known && len(t.models) >= maxModels {
		model = ""
	}
	t.models[model] = t.models[model].plus(used)
}

// mintedAt is when a UUID of version 7, as Codex gives to threads and turns, was made.
func mintedAt(id string) (time.Time, bool) {
	raw, err := hex.DecodeString(strings.ReplaceAll(id, "-", ""))
	if err != nil || len(raw) != 16 || raw[6]>>4 != 7 {
		return time.Time{}, false
	}
	var milliseconds int64
	for _, b := range raw[:6] {
		milliseconds = milliseconds<<8 | int64(b)
	}
	return time.UnixMilli(milliseconds), true
}
