package jsondoc_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"unicode/utf8"

	"github.com/cdxgate/cdxgate/internal/api/jsondoc"
)

// FuzzRoundTrip holds the package against encoding/json, which is laxer in two points only (depth and UTF-8), and
// against itself: the canonical form of a canonical form is the same bytes.
func FuzzRoundTrip(f *testing.F) {
	for _, seed := range []string{
		`{"a":[1,-0,1e5,1e-5,2.50,"\u2028",{"":{}}],"a":null}`, `"\ud83d\ude00\ud800"`, `[1e400]`, "\"\xff\"", `[01]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > jsondoc.MaxBytes {
			return
		}
		checked := jsondoc.Check(text)
		valid := json.Valid(text) && utf8.Valid(text) && depth(text) <= jsondoc.MaxDepth
		if (checked == nil) != valid {
			t.Fatalf("Check: got %v, but encoding/json says %v", checked, valid)
		}
		v, err := jsondoc.Parse(text)
		if checked != nil {
			if !errors.Is(err, jsondoc.ErrSyntax) {
				t.Fatalf("Parse of what Check refused: got %v, want ErrSyntax", err)
			}
			return
		}
		if err != nil {
			if !errors.Is(err, jsondoc.ErrNotCanonical) {
				t.Fatalf("Parse of what Check accepted: got %v, want nil or ErrNotCanonical", err)
			}
			return
		}
		encoded := jsondoc.Encode(v)
		if bytes.ContainsAny(encoded, "\n\r\t") {
			t.Fatalf("canonical form %q: got raw line breaks or tabs", encoded)
		}
		if len(encoded) <= jsondoc.MaxBytes {
			again, err := jsondoc.Parse(encoded)
			if err != nil || !bytes.Equal(jsondoc.Encode(again), encoded) {
				t.Fatalf("second round of %q: got %v, %q", encoded, err, jsondoc.Encode(again))
			}
		}
		var before, after any
		if json.Unmarshal(text, &before) == nil { // which refuses integers beyond a double; we keep those
			if err := json.Unmarshal(encoded, &after); err != nil || !reflect.DeepEqual(before, after) {
				t.Fatalf("%q became %q (%v)", text, encoded, err)
			}
		}
	})
}

// depth counts brackets outside strings.
func depth(text []byte) int {
	depth, deepest, quoted := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}
