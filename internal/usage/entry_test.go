package usage_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/cdxgate/cdxgate/internal/usage"
)

func TestReadNumbers(t *testing.T) {
	t.Parallel()
	const absent, refused = -1, -2
	for text, want := range map[string]int64{
		`null`: absent, `""`: absent, `"  "`: absent,
		`0`: 0, `7`: 7, `1.9`: 1, `-0.5`: 0, `1e3`: 1000, `-1`: refused, `-1.5`: refused, `1e400`: math.MaxInt64, `1e99999999`: math.MaxInt64,
		`9223372036854775807`: math.MaxInt64, `9223372036854775808`: math.MaxInt64,
		`"10,000"`: 10000, `"1_0 0"`: 100, `" 5 "`: 5, `"99999999999999999999"`: math.MaxInt64,
		`"+5"`: refused, `"-5"`: refused, `"abc"`: refused, `"1.5"`: refused, `","`: refused, `"٣"`: refused,
	} {
		for _, field := range []string{"total", "input", "output", "cached", "reasoning"} {
			entries, err := usage.Read([]byte(`{"line":"x","` + field + `":` + text + `}`))
			got := int64(refused)
			if err == nil {
				e := entries[0]
				got = absent
				for name, value := range map[string]*int64{"total": e.Total, "input": e.Input, "output": e.Output, "cached": e.Cached, "reasoning": e.Reasoning} {
					if value != nil && name != field {
						t.Errorf("%s %s: got %s as well", field, text, name)
					}
					if value != nil {
						got = *value
					}
				}
			}
			if got != want {
				t.Errorf("%s %s: got %d, %v; want %d", field, text, got, err, want)
			}
		}
	}
	for _, text := range []string{`true`, `[]`, `{}`, `[1]`} {
		if _, err := usage.Read([]byte(`{"line":"x","total":` + text + `}`)); err == nil {
			t.Errorf("total %s: got no error", text)
		}
		if entries, err := usage.Read([]byte(`{"line":"x","cached":` + text + `}`)); err != nil || entries[0].Cached != nil {
			t.Errorf("cached %s: got %v, want it ignored", text, err)
		}
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"total":1}`:                             "1",
		`{"usages":[{"total":1},{"input":2}]}`:    "2",
		`{"usages":[{"total":1},5,null,"x",[1]]}`: "1",
		`{"usages":{"a":1},"total":3}`:            "1",
		`{"usages":null,"total":3}`:               "1",
		``:                                        "line: line or at least one numeric field is required",
		`5`:                                       "line: line or at least one numeric field is required",
		`{"model":"gpt-5"}`:                       "line: line or at least one numeric field is required",
		`{"line":"\u0007"}`:                       "line: line or at least one numeric field is required",
		`{"usages":[]}`:                           "usages: there is no entry",
		`{"usages":[5]}`:                          "usages: there is no entry",
		`{"usages":[{"total":1},{"total":"x"}]}`:  "usages.1.total: usages.1.total must be a number (digits, optional commas)",
		`{"usages":[{"total":-1}]}`:               "usages.0.total: usages.0.total must be non-negative",
		`{"total":true}`:                          "total: total must be an integer",
		`{"usages":[{}]}`:                         "usages.0.line: line or at least one numeric field is required",
		`{"usages":[` + strings.Repeat(`{"total":1},`, 499) + `{"total":1}]}`: "500",
		`{"usages":[` + strings.Repeat(`{"total":1},`, 500) + `{"total":1}]}`: "usages: a report may have 500 entries at most",
		`{"total":1,"line":"` + strings.Repeat("a", 64<<10) + `"}`:            "usages: a report may have 65536 bytes at most",
	} {
		entries, err := usage.Read([]byte(body))
		got := fmt.Sprint(len(entries))
		if invalid, ok := errors.AsType[usage.Invalid](err); ok {
			got = ""
			for field, texts := range invalid {
				got += field + ": " + strings.Join(texts, " ")
			}
		}
		if got != want {
			t.Errorf("%.80s: got %q, want %q", body, got, want)
		}
	}
	entries, err := usage.Read([]byte(`{"total":1,"model":"  gpt-5\u0000\u202e` + strings.Repeat("é", 100) + `"}`))
	if err != nil || len(*entries[0].Model) > 128 || !strings.HasPrefix(*entries[0].Model, "gpt-5é") {
		t.Errorf("got %+v, %v", entries, err)
	}
}

func FuzzRead(f *testing.F) {
	for _, seed := range []string{`{"total":1}`, `{"usages":[{"total":"1,0"},5]}`, `{"total":1e9999,"cached":[]}`, `{"usages":[{}]}`, `null`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if !json.Valid(body) {
			return // the surface refuses it before
		}
		entries, err := usage.Read(body)
		if (err == nil) == (len(entries) == 0) {
			t.Fatalf("got %d entries and %v", len(entries), err)
		}
		for _, e := range entries {
			for _, n := range []*int64{e.Total, e.Input, e.Output, e.Cached, e.Reasoning} {
				if n != nil && *n < 0 {
					t.Fatalf("got %d", *n)
				}
			}
			if e.Model != nil && len(*e.Model) > 128 || e.Line != nil && *e.Line == "" {
				t.Fatalf("got %+v", e)
			}
		}
	})
}
