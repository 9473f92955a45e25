package openapi_test

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// checker says what is wrong with values, by the schemas of a document. It knows the keywords that our documents use; of
// another one it says that it does not. Objects must not have members that are not described.
type checker struct{ document map[string]any }

// resolve finds what a reference names; nil: nothing.
func (c checker) resolve(reference string) any {
	var found any = c.document
	path, is := strings.CutPrefix(reference, "#/")
	for part := range strings.SplitSeq(path, "/") {
		object, _ := found.(map[string]any)
		found = object[part]
	}
	if !is {
		return nil
	}
	return found
}

func (c checker) check(where string, schema, value any) (problems []string) {
	rules, is := schema.(map[string]any)
	if !is {
		return []string{fmt.Sprintf("%s: the schema is %v", where, schema)}
	}
	say := func(format string, args ...any) { problems = append(problems, where+": "+fmt.Sprintf(format, args...)) }
	for keyword, rule := range rules {
		switch keyword {
		case "description", "required": // the latter with properties
		case "$ref":
			problems = append(problems, c.check(where, c.resolve(rule.(string)), value)...)
		case "type":
			if types := list(rule); !slices.ContainsFunc(types, func(t any) bool { return isA(t, value) }) {
				say("got %v, want %v", value, rule)
			}
		case "format":
			if text, is := value.(string); is && rule == "date-time" {
				if _, err := time.Parse(time.RFC3339, text); err != nil {
					say("got %v", err)
				}
			}
		case "const":
			if value != rule {
				say("got %v, want %v", value, rule)
			}
		case "enum":
			if !slices.Contains(rule.([]any), value) {
				say("got %v, want one of %v", value, rule)
			}
		case "items":
			values, _ := value.([]any)
			for i, v := range values {
				problems = append(problems, c.check(fmt.Sprintf("%s[%d]", where, i), rule, v)...)
			}
		case "properties":
			problems = append(problems, c.object(where, rules, value)...)
		case "additionalProperties":
			members, _ := value.(map[string]any)
			for name, v := range members {
				problems = append(problems, c.check(where+"."+name, rule, v)...)
			}
		case "allOf":
			for _, one := range rule.([]any) {
				problems = append(problems, c.check(where, one, value)...)
			}
		case "anyOf":
			var all []string
			for _, one := range rule.([]any) {
				wrong := c.check(where, one, value)
				if len(wrong) == 0 {
					all = nil
					break
				}
				all = append(all, wrong...)
			}
			problems = append(problems, all...)
		default:
			say("the checker does not know %s", keyword)
		}
	}
	return problems
}

func (c checker) object(where string, rules map[string]any, value any) (problems []string) {
	members, is := value.(map[string]any)
	if !is {
		return nil
	}
	described := rules["properties"].(map[string]any)
	for name, v := range members {
		if rule, is := described[name]; is {
			problems = append(problems, c.check(where+"."+name, rule, v)...)
		} else if rules["type"] == "object" { // not a part of allOf
			problems = append(problems, where+"."+name+" is not described")
		}
	}
	for _, name := range list(rules["required"]) {
		if _, is := members[name.(string)]; !is {
			problems = append(problems, where+" has no "+name.(string))
		}
	}
	return problems
}

func isA(name, value any) bool {
	switch v := value.(type) {
	case nil:
		return name == "null"
	case bool:
		return name == "boolean"
	case string:
		return name == "string"
	case float64:
		return name == "number" || name == "integer" && v == math.Trunc(v)
	case []any:
		return name == "array"
	}
	return name == "object"
}

// list is a rule that may be one value or several.
func list(rule any) []any {
	switch r := rule.(type) {
	case nil:
		return nil
	case []any:
		return r
	}
	return []any{rule}
}

func parsed(text []byte) (value any, err error) {
	err = json.Unmarshal(text, &value)
	return value, err
}

// A checker that lets everything through would make every test with it pass.
func TestChecker(t *testing.T) {
	t.Parallel()
	c := checker{map[string]any{"a": map[string]any{"b": map[string]any{"type": "string"}}}}
	for schema, values := range map[string]struct{ good, bad []string }{
		`{}`:                         {[]string{`1`, `null`, `{"a":[]}`}, nil},
		`{"type":"integer"}`:         {[]string{`1`, `-1`}, []string{`1.5`, `"1"`, `null`, `true`}},
		`{"type":"number"}`:          {[]string{`1`, `1.5`}, []string{`"1"`, `null`}},
		`{"type":["string","null"]}`: {[]string{`""`, `null`}, []string{`1`, `{}`, `[]`, `false`}},
		`{"type":"array","items":{"type":"boolean"}}`:                 {[]string{`[]`, `[true]`}, []string{`[1]`, `[true,1]`, `{}`, `null`}},
		`{"type":"object","additionalProperties":{"type":"integer"}}`: {[]string{`{}`, `{"a":1}`}, []string{`{"a":"1"}`, `[]`}},
		`{"type":"string","format":"date-time"}`:                      {[]string{`"2026-01-05T10:00:00+00:00"`}, []string{`"yesterday"`, `""`}},
		`{"const":"ok"}`:                                              {[]string{`"ok"`}, []string{`"error"`, `null`}},
		`{"enum":["a","b"]}`:                                          {[]string{`"a"`, `"b"`}, []string{`"c"`, `null`}},
		`{"$ref":"#/a/b"}`:                                            {[]string{`"x"`}, []string{`1`}},
		`{"$ref":"#/a/c"}`:                                            {nil, []string{`"x"`, `null`}},
		`{"$ref":"a/b"}`:                                              {nil, []string{`"x"`}},
		`{"anyOf":[{"type":"string"},{"type":"null"}]}`:               {[]string{`"x"`, `null`}, []string{`1`}},
		`{"allOf":[{"type":"string"},{"enum":["a"]}]}`:                {[]string{`"a"`}, []string{`"b"`, `1`}},
		`{"minLength":1}`:                                             {nil, []string{`"x"`}},
		`{"type":"object","properties":{"a":{"type":"string"},"b":{}},"required":["a"]}`: {[]string{`{"a":""}`, `{"a":"","b":1}`}, []string{`{}`, `{"a":1}`, `{"b":1}`, `{"a":"","c":1}`, `[]`}},
	} {
		rules, err := parsed([]byte(schema))
		if err != nil {
			t.Fatal(err)
		}
		for want, texts := range map[bool][]string{true: values.good, false: values.bad} {
			for _, text := range texts {
				value, err := parsed([]byte(text))
				if problems := c.check("value", rules, value); err != nil || (len(problems) == 0) != want {
					t.Errorf("%s by %s: got %q, %v", text, schema, problems, err)
				}
			}
		}
	}
}
