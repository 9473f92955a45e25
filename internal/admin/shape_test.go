package admin_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
)

// object says what each member of a JSON object is: another object, an orNull, a list, or letters for the JSON types that it
// may have: s(tring), n(umber), b(oolean), o(bject), l(ist), null as 0. Exactly these members have to be there, but one whose
// name ends in ? may be absent.
type object map[string]any

type (
	orNull      struct{ object }
	list        struct{ of any } // at least one element
	listOrEmpty struct{ of any }
)

// Under these names an object says which members the compatible product does not have, and which of its members we do not.
const (
	ours     = "+"
	withheld = "-"
)

func (o object) with(more object) object {
	all := maps.Clone(o)
	maps.Copy(all, more)
	return all
}

// members are what an object has to have, ours among them.
func (o object) members() object {
	all := maps.Clone(o)
	if more, is := o[ours].(object); is {
		maps.Copy(all, more)
	}
	delete(all, ours)
	delete(all, withheld)
	return all
}

// comparison collects what is wrong with answers, and which members that may be null or absent were told.
type comparison struct {
	problems []string
	told     map[string]bool // :: member that may be null or absent → it was there, once
}

func (c *comparison) fail(format string, arguments ...any) {
	c.problems = append(c.problems, fmt.Sprintf(format, arguments...))
}

func (c *comparison) value(at string, want any, got any) {
	switch want := want.(type) {
	case object:
		if c.is(at, "o", got) {
			c.object(at, want, got.(map[string]any))
		}
	case orNull:
		c.maybe(at, got != nil)
		if got != nil {
			c.value(at, want.object, got)
		}
	case list:
		if c.is(at, "l", got) && len(got.([]any)) == 0 {
			c.fail("%s: got no element to compare", at)
		}
		c.elements(at, want.of, got)
	case listOrEmpty:
		if c.is(at, "l", got) {
			elements, _ := got.([]any)
			c.maybe(at+"[]", len(elements) > 0)
			c.elements(at, want.of, got)
		}
	case string:
		if strings.Contains(want, "0") && want != "0" {
			c.maybe(at, got != nil)
		}
		c.is(at, want, got)
	}
}

func (c *comparison) maybe(at string, told bool) { c.told[at] = c.told[at] || told }

func (c *comparison) elements(at string, want any, got any) {
	elements, _ := got.([]any)
	for _, element := range elements {
		c.value(at+"[]", want, element)
	}
}

func (c *comparison) object(at string, want object, got map[string]any) {
	members := want.members()
	secret, _ := want[withheld].(object)
	for name := range got {
		switch {
		case secret[name] != nil:
			c.fail("%s: got %s, which is to be told nobody", at, name)
		case members[name] == nil && members[name+"?"] == nil:
			c.fail("%s: got %s, which is not in the contract", at, name)
		}
	}
	for name, is := range members {
		name, optional := strings.CutSuffix(name, "?")
		value, there := got[name]
		if optional {
			c.maybe(at+"."+name, there)
		} else if !there {
			c.fail("%s: got no %s", at, name)
		}
		if there {
			c.value(at+"."+name, is, value)
		}
	}
}

// is reports whether a value has one of the types.
func (c *comparison) is(at, types string, got any) bool {
	letter := "0"
	switch got.(type) {
	case string:
		letter = "s"
	case float64:
		letter = "n"
	case bool:
		letter = "b"
	case map[string]any:
		letter = "o"
	case []any:
		letter = "l"
	}
	if !strings.Contains(types, letter) {
		c.fail("%s: got %v, want one of %q", at, got, types)
		return false
	}
	return true
}

// check requires an answer's data to be as the object says, and returns its members.
func (o object) check(t *testing.T, what string, raw json.RawMessage) map[string]json.RawMessage {
	t.Helper()
	var got any
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatalf("%s: got %s: %v", what, raw, err)
	}
	c := comparison{told: map[string]bool{}}
	c.value(what, o, got)
	for _, problem := range c.problems {
		t.Error(problem)
	}
	if err := json.Unmarshal(raw, &members); err != nil {
		t.Fatalf("%s: got %s: %v", what, raw, err)
	}
	return members
}
