package api_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
)

func TestTime(t *testing.T) {
	t.Parallel()
	berlin := time.FixedZone("CET", 3600)
	for want, moment := range map[string]time.Time{
		`null`:                        {},
		`"2026-01-05T10:00:00+00:00"`: time.Date(2026, 1, 5, 10, 0, 0, 0, time.UTC),
		`"2026-01-05T09:00:00+00:00"`: time.Date(2026, 1, 5, 10, 0, 0, 0, berlin),
		`"2026-01-05T10:00:01+00:00"`: time.Date(2026, 1, 5, 10, 0, 1, 999_999_999, time.UTC),
	} {
		got, err := json.Marshal(api.Time{Time: moment})
		if err != nil || string(got) != want {
			t.Errorf("got %s, %v for %v, want %s", got, err, moment, want)
		}
		var back api.Time
		if err := json.Unmarshal(got, &back); err != nil || !back.Equal(moment.Truncate(time.Second)) {
			t.Errorf("got %v, %v back from %s", back, err, got)
		}
	}
	for _, text := range []string{`"yesterday"`, `5`, `{}`} {
		if err := json.Unmarshal([]byte(text), new(api.Time)); err == nil {
			t.Errorf("got no error for %s", text)
		}
	}
}

func TestFlexBool(t *testing.T) {
	t.Parallel()
	const yes, no, null, absent, invalid = "yes", "no", "null", "absent", "invalid"
	for text, want := range map[string]string{
		`{}`: absent, `{"b":null}`: null,
		`{"b":true}`: yes, `{"b":false}`: no, `{"b":1}`: yes, `{"b":0}`: no,
		`{"b":"1"}`: yes, `{"b":"true"}`: yes, `{"b":"YES"}`: yes, `{"b":" On "}`: yes, `{"b":"\u0031"}`: yes, `{"b":"on\n"}`: yes,
		`{"b":"0"}`: no, `{"b":"False"}`: no, `{"b":"no"}`: no, `{"b":"OFF"}`: no,
		`{"b":2}`: invalid, `{"b":-1}`: invalid, `{"b":1.0}`: invalid, `{"b":1e0}`: invalid, `{"b":""}`: invalid, `{"b":" "}`: invalid,
		`{"b":"y"}`: invalid, `{"b":"maybe"}`: invalid, `{"b":"null"}`: invalid, `{"b":"\"true\""}`: invalid, `{"b":[]}`: invalid, `{"b":[true]}`: invalid,
		`{"b":{}}`: invalid, `{"b":{"true":true}}`: invalid,
	} {
		var message struct {
			B api.FlexBool `json:"b"`
		}
		if err := json.Unmarshal([]byte(text), &message); err != nil {
			t.Errorf("%s: got %v, want no error: the surface names the field", text, err)
		}
		got := absent
		switch b := message.B; {
		case b.Invalid:
			got = invalid
		case b.Set && b.Value:
			got = yes
		case b.Set:
			got = no
		case b.Present:
			got = null
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
		for _, fallback := range []bool{true, false} {
			wantOr := fallback
			if message.B.Set {
				wantOr = message.B.Value
			}
			if got := message.B.Or(fallback); got != wantOr {
				t.Errorf("%s: got %t with fallback %t, want %t", text, got, fallback, wantOr)
			}
		}
	}
}
