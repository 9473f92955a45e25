package openapi

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/cdxgate/cdxgate/internal/api"
)

// schema is the part of JSON Schema that our messages need. The zero value allows anything.
type schema struct {
	Ref                  string             `json:"$ref,omitempty"`
	Description          string             `json:"description,omitempty"`
	Type                 any                `json:"type,omitempty"` // a name, or a list of names
	Format               string             `json:"format,omitempty"`
	Const                string             `json:"const,omitempty"`
	Enum                 []string           `json:"enum,omitempty"`
	Items                *schema            `json:"items,omitempty"`
	Properties           map[string]*schema `json:"properties,omitempty"`
	AdditionalProperties *schema            `json:"additionalProperties,omitempty"`
	Required             []string           `json:"required,omitempty"`
	AllOf                []*schema          `json:"allOf,omitempty"`
	AnyOf                []*schema          `json:"anyOf,omitempty"`
}

// schemas collects the named types of messages.
type schemas struct {
	named   map[string]*schema
	types   map[string]reflect.Type // by the same names, which must not be given twice
	request bool                    // what is described now is one, where a pointer may be left out
}

// of is the schema of a value's type.
func (s *schemas) of(value any) *schema {
	some, is := value.(AnyOf)
	if !is {
		return s.ofType(reflect.TypeOf(value))
	}
	either := &schema{}
	for _, one := range some {
		either.AnyOf = append(either.AnyOf, s.of(one))
	}
	return either
}

// Types that are no plain JSON, although they look like it to reflection.
var (
	rawType      = reflect.TypeFor[json.RawMessage]()
	timeType     = reflect.TypeFor[api.Time]()
	flexBoolType = reflect.TypeFor[api.FlexBool]()
)

func (s *schemas) ofType(t reflect.Type) *schema {
	switch {
	case t == rawType || t.Kind() == reflect.Interface:
		return &schema{}
	case t == timeType:
		return &schema{Type: []string{"string", "null"}, Format: "date-time"}
	case t == flexBoolType:
		return &schema{Type: []string{"boolean", "integer", "string", "null"}, Description: "a boolean, 0 or 1, or yes, no, on, off, true, false as text"}
	case t.Kind() == reflect.Pointer:
		return orNull(s.ofType(t.Elem()))
	case implements[json.Marshaler](t) || implements[json.Unmarshaler](t):
		panic(fmt.Sprintf("openapi: %v writes its JSON itself; package openapi has to be told what that is", t))
	case implements[encoding.TextMarshaler](t):
		return &schema{Type: "string"}
	}
	switch t.Kind() {
	case reflect.Bool:
		return &schema{Type: "boolean"}
	case reflect.Int64, reflect.Uint64:
		return &schema{Type: "integer", Format: "int64"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32:
		return &schema{Type: "integer"}
	case reflect.Float32, reflect.Float64:
		return &schema{Type: "number"}
	case reflect.String:
		return &schema{Type: "string"}
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() != reflect.Uint8 {
			return &schema{Type: "array", Items: s.ofType(t.Elem())}
		}
	case reflect.Map:
		if t.Key().Kind() == reflect.String {
			return &schema{Type: "object", AdditionalProperties: s.ofType(t.Elem())}
		}
	case reflect.Struct:
		return s.ofStruct(t)
	}
	panic(fmt.Sprintf("openapi: no message may have a %v", t))
}

func implements[I any](t reflect.Type) bool {
	return t.Implements(reflect.TypeFor[I]()) || reflect.PointerTo(t).Implements(reflect.TypeFor[I]())
}

// orNull is what a pointer to something may be.
func orNull(s *schema) *schema {
	switch types := s.Type.(type) {
	case string:
		s.Type = []string{types, "null"}
	case []string:
		if !slices.Contains(types, "null") {
			s.Type = append(slices.Clone(types), "null")
		}
	default:
		if s.Ref != "" {
			return &schema{AnyOf: []*schema{s, {Type: "null"}}}
		}
	}
	return s
}

// ofStruct is a reference to a named type, whose schema is kept; a type without a name is described where it stands.
func (s *schemas) ofStruct(t reflect.Type) *schema {
	name := componentName(t)
	if name == "" {
		return s.members(t)
	}
	reference := &schema{Ref: "#/components/schemas/" + name}
	if known := s.types[name]; known == t {
		return reference
	} else if known != nil {
		panic(fmt.Sprintf("openapi: both %v and %v would be called %s", known, t, name))
	}
	s.types[name] = t // before its members, one of which may be of this type
	s.named[name] = s.members(t)
	return reference
}

var (
	packages    = regexp.MustCompile(`[\w./-]*\.`)
	punctuation = regexp.MustCompile(`\W+`)
)

// componentName is the name of a type without packages; of a generic one, Page_Host.
func componentName(t reflect.Type) string {
	name := packages.ReplaceAllString(t.Name(), "")
	name = strings.Trim(punctuation.ReplaceAllString(name, "_"), "_")
	if name == "" {
		return ""
	}
	return strings.ToUpper(name[:1]) + name[1:]
}

func (s *schemas) members(t reflect.Type) *schema {
	all := &schema{Type: "object", Properties: map[string]*schema{}}
	s.collect(t, all)
	slices.Sort(all.Required)
	return all
}

// collect adds a struct's members as encoding/json writes them: its own, then those of embedded structs, unless a member
// of the same name is there already.
func (s *schemas) collect(t reflect.Type, into *schema) {
	var embedded []reflect.Type
	for field := range t.Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case field.Anonymous && name == "":
			embedded = append(embedded, field.Type)
			continue
		case name == "-" || !field.IsExported():
			continue
		case name == "":
			name = field.Name
		}
		if into.Properties[name] != nil {
			continue
		}
		into.Properties[name] = s.ofType(field.Type)
		absent := strings.Contains(options, "omit") || field.Type == flexBoolType || s.request && field.Type.Kind() == reflect.Pointer
		if !absent {
			into.Required = append(into.Required, name)
		}
	}
	for _, t := range embedded {
		s.collect(t, into)
	}
}
