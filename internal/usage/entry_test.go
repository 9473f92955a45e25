package usage_test

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

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

// Whatever comes, a report is refused or becomes entries that are fit to be stored, and the same ones each time.
func FuzzRead(f *testing.F) {
	f.Fuzz(func(t *testing.T, body []byte) {
		entries, err := usage.Read(body)
		if (err == nil) == (len(entries) == 0) || len(entries) > 500 || len(body) > 64<<10 && err == nil {
			t.Fatalf("got %d entries of %d bytes, and %v", len(entries), len(body), err)
		}
		if invalid, ok := errors.AsType[usage.Invalid](err); err != nil && (!ok || len(invalid) == 0) {
			t.Fatalf("got %#v, want a refusal that says what is wrong", err)
		}
		sums := [5]*int64{}
		for _, e := range entries {
			numbers := 0
			for i, n := range []*int64{e.Total, e.Input, e.Output, e.Cached, e.Reasoning} {
				before := sums[i]
				if usage.Add(&sums[i], n); n == nil {
					continue
				}
				numbers++
				if *n < 0 || *sums[i] < *n || before != nil && *sums[i] < *before {
					t.Fatalf("got %d, which makes a sum of %d", *n, *sums[i])
				}
			}
			if numbers == 0 && e.Line == nil {
				t.Fatalf("got an entry that says nothing: %+v", e)
			}
			if e.Line != nil && (*e.Line == "" || *e.Line != usage.CleanLine(*e.Line) && !tight.MatchString(*e.Line) && !strings.HasSuffix(*e.Line, "…")) {
				t.Fatalf("got a line that is not clean: %q", *e.Line)
			}
			if m := e.Model; m != nil && (*m == "" || len(*m) > 128 || *m != strings.TrimSpace(*m) || strings.ContainsFunc(*m, unprintable)) {
				t.Fatalf("got a model that is not clean: %q", *m)
			}
		}
		again, err := usage.Read(body)
		if err == nil && !reflect.DeepEqual(again, entries) {
			t.Fatalf("got %+v, then %+v", entries, again)
		}
	})
}

func unprintable(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }
