package jsondoc

import (
	"iter"
	"slices"
)

// Object is a JSON object that remembers the order of its members. A nil *Object reads as an empty one; the zero value
// is empty and ready to use. It is not safe for concurrent changes.
type Object struct {
	members []member
	index   map[string]int // name → place in members
}

type member struct {
	name  string
	value Value
}

// Len returns the number of members.
func (o *Object) Len() int {
	if o == nil {
		return 0
	}
	return len(o.members)
}

// All yields the members in order. The object must not be changed meanwhile.
func (o *Object) All() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		if o == nil {
			return
		}
		for _, m := range o.members {
			if !yield(m.name, m.value) {
				return
			}
		}
	}
}

// Get returns the member name; ok tells null from absent.
func (o *Object) Get(name string) (v Value, ok bool) {
	if o == nil {
		return nil, false
	}
	place, ok := o.index[name]
	if !ok {
		return nil, false
	}
	return o.members[place].value, true
}

// Text returns the member name if it is a string, else "".
func (o *Object) Text(name string) string {
	v, _ := o.Get(name)
	text, _ := v.(string)
	return text
}

// Object returns the member name if it is an object, else nil, which reads as an empty one.
func (o *Object) Object(name string) *Object {
	v, _ := o.Get(name)
	object, _ := v.(*Object)
	return object
}

// Set gives the member name a value, in its place if there is one and else at the end.
func (o *Object) Set(name string, v Value) {
	if place, ok := o.index[name]; ok {
		o.members[place].value = v
		return
	}
	if o.index == nil {
		o.index = make(map[string]int)
	}
	o.index[name] = len(o.members)
	o.members = append(o.members, member{name, v})
}

// Delete removes the member name, if it is there. The others keep their order.
func (o *Object) Delete(name string) {
	place, ok := o.index[name]
	if !ok {
		return
	}
	o.members = slices.Delete(o.members, place, place+1)
	delete(o.index, name)
	for i := place; i < len(o.members); i++ {
		o.index[o.members[i].name] = i
	}
}
