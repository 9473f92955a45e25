package jsondoc_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/api/jsondoc"
)

func canonical(t *testing.T, text string) string {
	t.Helper()
	v, err := jsondoc.Parse([]byte(text))
	if err != nil {
		t.Fatalf("Parse(%.80q): %v", text, err)
	}
	return string(jsondoc.Encode(v))
}

func TestCanonicalForm(t *testing.T) {
	t.Parallel()
	longest := "-" + strings.Repeat("9", jsondoc.MaxIntegerDigits)
	for _, c := range []struct{ in, want string }{
		{" { } ", `{}`},
		{"[\n]", `[]`},
		{`{"b": 1, "a": [true, false, null]}`, `{"b":1,"a":[true,false,null]}`},
		{`{"a":1,"b":2,"a":3}`, `{"a":3,"b":2}`},
		{`{"a":1,"b":2,"\u0061":{}}`, `{"a":{},"b":2}`},
		{`{"":0,"":1}`, `{"":1}`},
		{`"\u2028\u2029"`, "\"\u2028\u2029\""},
		{"\"\x7f\u00e9\"", "\"\x7f\u00e9\""},
		{`"\/\b\f\n\r\t\"\\\u0000\u001F\u00e9\ud83d\ude00"`, `"/\b\f\n\r\t\"\\\u0000\u001fé😀"`},
		{`"<&>"`, `"<&>"`},
		{"-0", "0"},
		{"0", "0"},
		{"123456789012345678901234567890", "123456789012345678901234567890"},
		{longest, longest},
		{"-0.0", "-0.0"},
		{"1.0", "1.0"},
		{"1e5", "100000.0"},
		{"1e15", "1000000000000000.0"},
		{"1e16", "1e+16"},
		{"123456789012345678.0", "1.2345678901234568e+17"},
		{"0.0001", "0.0001"},
		{"0.00001", "1e-05"},
		{"1e-400", "0.0"},
		{"-1E-400", "-0.0"},
		{"0e999999999999999999999", "0.0"},
		{"5e-324", "5e-324"},
		{"1.7976931348623157e308", "1.7976931348623157e+308"},
		{"5.9604644775390625e-8", "5.960464477539063e-08"}, // halfway between two shortest spellings
	} {
		if got := canonical(t, c.in); got != c.want {
			t.Errorf("%.60q: got %.80q, want %.80q", c.in, got, c.want)
		}
	}
}

func TestNotCanonical(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"1e400", "-1E400", "1" + strings.Repeat("0", 400) + ".0", "1e99999999999999999999",
		strings.Repeat("9", jsondoc.MaxIntegerDigits+1), "-" + strings.Repeat("9", jsondoc.MaxIntegerDigits+1),
		`"\ud800"`, `"\udc00"`, `"\ud800x"`, `"\ud800\n"`, `"\ud800\u0041"`, `"\ud800\ud800\udc00"`, `"\udc00\ud800"`,
		`{"\ud800":1}`, `[1e400,"\ud800"]`, `{"a":1e400,"a":1}`,
	} {
		if err := jsondoc.Check([]byte(text)); err != nil {
			t.Errorf("Check(%.40q): got %v, want nil", text, err)
		}
		if _, err := jsondoc.Parse([]byte(text)); !errors.Is(err, jsondoc.ErrNotCanonical) {
			t.Errorf("Parse(%.40q): got %v, want ErrNotCanonical", text, err)
		}
	}
}

func TestSyntaxErrors(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", " ", "\ufeff{}", "{", "[", `"`, `"\`, `"\u00`, `"\u00g0"`, `"\x"`, "\"\x1f\"", "\"\n\"", "\"\xff\"", "\"\xed\xa0\x80\"",
		"tru", "truex", "True", "nul", "NaN", "Infinity", "-Infinity", "-", "+1", "01", "-01", "1.", ".5", "1.e5", "1e", "1e+", "0x10",
		"1_000", "[1,]", "[,1]", "[1 2]", `{"a":1,}`, `{,}`, `{"a"}`, `{"a":}`, `{"a" 1}`, `{a:1}`, `{1:1}`, `{"a":1 "b":2}`, "{]", "[}",
		"{} {}", "1 2", "//x\n1", "/**/1", "'a'", "\x00", "1\x00", "[1e400", "\"\\ud800", "\v1", "\u00a01",
	} {
		checked := jsondoc.Check([]byte(text))
		_, parsed := jsondoc.Parse([]byte(text))
		if !errors.Is(checked, jsondoc.ErrSyntax) || !errors.Is(parsed, jsondoc.ErrSyntax) {
			t.Errorf("%q: got %v and %v, want ErrSyntax twice", text, checked, parsed)
		}
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	nested := func(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }
	objects := func(depth int) string { return strings.Repeat(`{"a":`, depth) + "1" + strings.Repeat("}", depth) }
	padded := func(length int) string { return "1" + strings.Repeat(" ", length-1) }
	for _, c := range []struct {
		name, text string
		want       error
	}{
		{"deepest lists", nested(jsondoc.MaxDepth), nil},
		{"lists too deep", nested(jsondoc.MaxDepth + 1), jsondoc.ErrSyntax},
		{"deepest objects", objects(jsondoc.MaxDepth), nil},
		{"objects too deep", objects(jsondoc.MaxDepth + 1), jsondoc.ErrSyntax},
		{"nothing but brackets", strings.Repeat("[", jsondoc.MaxBytes), jsondoc.ErrSyntax},
		{"largest", padded(jsondoc.MaxBytes), nil},
		{"too large", padded(jsondoc.MaxBytes + 1), jsondoc.ErrTooLarge},
	} {
		checked := jsondoc.Check([]byte(c.text))
		_, parsed := jsondoc.Parse([]byte(c.text))
		if !errors.Is(checked, c.want) || !errors.Is(parsed, c.want) {
			t.Errorf("%s: got %v and %v, want %v", c.name, checked, parsed, c.want)
		}
	}
	if jsondoc.MaxBytes != api.MaxBodyBytes || jsondoc.MaxDepth != api.MaxJSONDepth {
		t.Errorf("limits: got %d, %d, want those of the wire: %d, %d",
			jsondoc.MaxBytes, jsondoc.MaxDepth, api.MaxBodyBytes, api.MaxJSONDepth)
	}
}

func TestCheckBuildsNothing(t *testing.T) {
	text := []byte(`{"command":"store","auth":{"tokens":{"access_token":"é\u00e9","n":[1,2.5e3,null,true,{}]}}}`)
	allocations := testing.AllocsPerRun(100, func() {
		if err := jsondoc.Check(text); err != nil {
			t.Fatal(err)
		}
	})
	if allocations != 0 {
		t.Errorf("allocations of Check: got %v, want 0", allocations)
	}
}

func TestObject(t *testing.T) {
	t.Parallel()
	v, err := jsondoc.Parse([]byte(`{"a":"x","b":{"c":null},"d":[1],"e":5,"f":false}`))
	if err != nil {
		t.Fatal(err)
	}
	o, ok := v.(*jsondoc.Object)
	if !ok {
		t.Fatalf("got %T, want *jsondoc.Object", v)
	}
	if got := o.Text("a") + o.Text("b") + o.Text("none"); got != "x" {
		t.Errorf("Text: got %q, want x from a and nothing from an object or an absent member", got)
	}
	if value, ok := o.Object("b").Get("c"); value != nil || !ok {
		t.Errorf("Get of a null: got %v, %v, want nil, true", value, ok)
	}
	if value, ok := o.Object("a").Get("c"); value != nil || ok || o.Object("a").Len() != 0 {
		t.Errorf("Get through what is no object: got %v, %v, want nil, false", value, ok)
	}
	o.Set("a", "y")
	o.Delete("b")
	o.Delete("none")
	o.Set("z", o.Object("none"))
	o.Set("d", []jsondoc.Value{jsondoc.Number{}})
	o.Set("b", true)
	if got, want := string(jsondoc.Encode(o)), `{"a":"y","d":[0],"e":5,"f":false,"z":{},"b":true}`; got != want {
		t.Errorf("after changes: got %s, want %s", got, want)
	}
	var names []string
	for name := range o.All() {
		if names = append(names, name); name == "e" {
			break
		}
	}
	if got := strings.Join(names, ""); got != "ade" || o.Len() != 6 {
		t.Errorf("All until e: got %s of %d, want ade of 6", got, o.Len())
	}
}

func TestNumberFloat64(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]float64{"1764458100": 1764458100, "1.5e3": 1500, "-0": 0} {
		v, err := jsondoc.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if n, ok := v.(jsondoc.Number); !ok || n.Float64() != want {
			t.Errorf("Float64 of %s: got %v, want %v", text, v, want)
		}
	}
}

func TestEncodeRefusesForeignTypes(t *testing.T) {
	t.Parallel()
	defer func() {
		if got := recover(); got != "jsondoc: int is not a Value" {
			t.Errorf("Encode(1): got %v, want a panic that names the type", got)
		}
	}()
	jsondoc.Encode(1)
}

func TestDigest(t *testing.T) {
	t.Parallel()
	v, err := jsondoc.Parse([]byte(`{ "last_refresh": "2000-01-01T00:00:00Z", "auths": {} }`))
	if err != nil {
		t.Fatal(err)
	}
	digest := jsondoc.DigestOf(v)
	// What deployed clients report when they have no file.
	if got, want := digest.String(), "8c6e3b5b78b9558813d537edaa7f641a9a03e0bce80b4bf991dc573ab0a334da"; got != want {
		t.Errorf("digest: got %s, want %s", got, want)
	}
	if digest.IsZero() || !(jsondoc.Digest{}).IsZero() {
		t.Error("IsZero: got the opposite of the truth")
	}
}

func TestObjectsDoNotPrint(t *testing.T) {
	t.Parallel()
	v, err := jsondoc.Parse([]byte(`{"tokens":"planted-secret"}`))
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "doc", v)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "doc", v, "nested", []jsondoc.Value{v})
	marshalled, err := json.Marshal(map[string]any{"doc": v})
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range []string{
		fmt.Sprint(v), fmt.Sprintf("%v %+v %#v %s %q %x %d", v, v, v, v, v, v, v), log.String(), string(marshalled),
	} {
		if strings.Contains(got, "planted") || !strings.Contains(got, "[redacted]") {
			t.Errorf("got %q, want [redacted]", got)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	text := []byte("[" + strings.Repeat(`{"access_token":"eyJhbGciOiJSUzI1NiJ9","n":[1,-2.5e3,null]},`, 4000) + "0]")
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if err := jsondoc.Check(text); err != nil {
			b.Fatal(err)
		}
	}
}
