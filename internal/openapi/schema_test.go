package openapi

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
)

type (
	outer struct {
		inner
		Tagged  inner `json:"tagged"`
		Shared  bool  `json:"shared"`
		Skipped int   `json:"-"`
		hidden  int
	}
	inner struct {
		Shared string  `json:"shared,omitempty"`
		Name   *string `json:"name"`
		Deep   *inner  `json:"deep,omitzero"`
	}
	pageOf[T any] struct {
		Items []T `json:"items"`
	}
	ownJSON struct{ time.Time }
)

func TestSchema(t *testing.T) {
	t.Parallel()
	const innerRef = `{"$ref":"#/components/schemas/Inner"}`
	for name, c := range map[string]struct {
		value any
		want  string
	}{
		"text":           {"", `{"type":"string"}`},
		"whole number":   {1, `{"type":"integer"}`},
		"long number":    {int64(1), `{"type":"integer","format":"int64"}`},
		"number":         {1.5, `{"type":"number"}`},
		"list":           {[]bool{}, `{"type":"array","items":{"type":"boolean"}}`},
		"map":            {map[string][]string{}, `{"type":"object","additionalProperties":{"type":"array","items":{"type":"string"}}}`},
		"anything":       {json.RawMessage{}, `{}`},
		"map of any":     {map[string]any{}, `{"type":"object","additionalProperties":{}}`},
		"moment":         {api.Time{}, `{"type":["string","null"],"format":"date-time"}`},
		"maybe a moment": {new(api.Time), `{"type":["string","null"],"format":"date-time"}`},
		"maybe a text":   {new(""), `{"type":["string","null"]}`},
		"maybe anything": {new(json.RawMessage), `{}`},
		"address":        {netip.Addr{}, `{"type":"string"}`},
		"named":          {inner{}, innerRef},
		"maybe named":    {new(inner{}), `{"anyOf":[` + innerRef + `,{"type":"null"}]}`},
		"generic":        {pageOf[inner]{}, `{"$ref":"#/components/schemas/PageOf_inner"}`},
		"either":         {AnyOf{"", inner{}}, `{"anyOf":[{"type":"string"},` + innerRef + `]}`},
		"nameless":       {struct{ N int }{}, `{"type":"object","properties":{"N":{"type":"integer"}},"required":["N"]}`},
		"flexible":       {struct{ B api.FlexBool }{}, `{"type":"object","properties":{"B":{"description":"a boolean, 0 or 1, or yes, no, on, off, true, false as text","type":["boolean","integer","string","null"]}}}`},
	} {
		types := &schemas{named: map[string]*schema{}, types: map[string]reflect.Type{}}
		if got, err := json.Marshal(types.of(c.value)); err != nil || string(got) != c.want {
			t.Errorf("%s: got %s, %v, want %s", name, got, err, c.want)
		}
	}
}

// As encoding/json does it: embedded members stand among the others, and the outer one of two of a name counts.
func TestEmbedded(t *testing.T) {
	t.Parallel()
	types := &schemas{named: map[string]*schema{}, types: map[string]reflect.Type{}}
	types.of(outer{hidden: 1})
	got, err := json.Marshal(types.named)
	if err != nil {
		t.Fatal(err)
	}
	const (
		deep = `"deep":{"anyOf":[{"$ref":"#/components/schemas/Inner"},{"type":"null"}]}`
		name = `"name":{"type":["string","null"]}`
		want = `{"Inner":{"type":"object","properties":{` + deep + `,` + name + `,"shared":{"type":"string"}},"required":["name"]},` +
			`"Outer":{"type":"object","properties":{` + deep + `,` + name + `,"shared":{"type":"boolean"},"tagged":{"$ref":"#/components/schemas/Inner"}},` +
			`"required":["name","shared","tagged"]}}`
	)
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// What cannot be described stops the program instead of being described wrongly.
func TestIndescribable(t *testing.T) {
	t.Parallel()
	type Time struct{ N int }
	another := func() any {
		type Time struct{ S string }
		return Time{}
	}()
	for name, o := range map[string]Operation{
		"bytes":                {Response: []byte{}},
		"a channel":            {Response: make(chan int)},
		"numbers as keys":      {Response: map[int]string{}},
		"JSON of its own":      {Response: ownJSON{}},
		"a moment of Go":       {Response: time.Time{}},
		"two of a name":        {Response: AnyOf{Time{}, another}},
		"no answer":            {},
		"two kinds of answers": {Response: "", Produces: []string{"text/plain"}},
		"an answer elsewhere":  {Response: "", Redirect: "there"},
		"a page elsewhere":     {Produces: []string{"text/html"}, Redirect: "there"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			defer func() {
				if recover() == nil {
					t.Error("got a description")
				}
			}()
			o.Method, o.Path = "GET", "/"
			Describe("", Group{Operations: []Operation{o}})
		})
	}
}

// A caller may leave out what the gateway may not.
func TestRequest(t *testing.T) {
	t.Parallel()
	type asked struct {
		Name string  `json:"name"`
		Why  *string `json:"why"`
	}
	type told struct {
		Why *string `json:"why"`
	}
	var document struct {
		Paths map[string]map[string]struct {
			RequestBody struct{ Content map[string]map[string]schema }
		}
		Components struct{ Schemas map[string]schema }
	}
	operation := Operation{Method: "POST", Path: "/", Request: asked{}, Response: told{}, Form: []Parameter{{Name: "file", Summary: "all of it"}}}
	if err := json.Unmarshal(Describe("", Group{Operations: []Operation{operation}}).JSON, &document); err != nil {
		t.Fatal(err)
	}
	if got := document.Components.Schemas["Asked"].Required; !slices.Equal(got, []string{"name"}) {
		t.Errorf("got %q required of a request", got)
	}
	if got := document.Components.Schemas["Told"].Required; !slices.Equal(got, []string{"why"}) {
		t.Errorf("got %q required of an answer", got)
	}
	content := document.Paths["/"]["post"].RequestBody.Content
	if got := content["multipart/form-data"]["schema"].Properties["file"]; len(content) != 2 || got == nil || got.Description != "all of it" {
		t.Errorf("got the bodies %v", content)
	}
}

func TestRoute(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/auth": "GET /auth", "/install/{token}": "GET /install/{}", "/a/{id}/b/{name}": "GET /a/{}/b/{}", "/": "GET /",
	} {
		o := Operation{Method: "GET", Path: path}
		if got := o.Route(); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}
