package openapi

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/cdxgate/cdxgate/internal/api"
)

// The parts of an OpenAPI 3.1 document that we use, named as there.
type (
	root struct {
		OpenAPI    string                          `json:"openapi"`
		Info       info                            `json:"info"`
		Tags       []tag                           `json:"tags"`
		Paths      map[string]map[string]operation `json:"paths"` // :: path → method, lower case → operation
		Components components                      `json:"components"`
	}
	info struct {
		Title       string `json:"title"`
		Version     string `json:"version"`
		Description string `json:"description"`
	}
	tag struct {
		Name string `json:"name"`
	}
	components struct {
		SecuritySchemes map[Scheme]securityScheme `json:"securitySchemes"`
		Schemas         map[string]*schema        `json:"schemas"`
	}
	securityScheme struct {
		Type        string `json:"type"`
		Scheme      string `json:"scheme,omitempty"`
		In          string `json:"in,omitempty"`
		Name        string `json:"name,omitempty"`
		Description string `json:"description"`
	}
	operation struct {
		OperationID string              `json:"operationId"`
		Tags        []string            `json:"tags"`
		Summary     string              `json:"summary"`
		Description string              `json:"description"`
		Servers     []server            `json:"servers,omitempty"`
		Security    []map[Scheme][]any  `json:"security"` // none: anybody
		Parameters  []parameter         `json:"parameters,omitempty"`
		RequestBody *body               `json:"requestBody,omitempty"`
		Responses   map[string]response `json:"responses"`
	}
	server struct {
		URL string `json:"url"`
	}
	parameter struct {
		Name        string `json:"name"`
		In          string `json:"in"`
		Description string `json:"description,omitempty"`
		Required    bool   `json:"required,omitempty"`
		Schema      schema `json:"schema"`
	}
	body struct {
		Content map[string]media `json:"content"`
	}
	response struct {
		Description string           `json:"description"`
		Content     map[string]media `json:"content,omitempty"`
	}
	media struct {
		Schema *schema `json:"schema,omitempty"` // nil: bytes
	}
)

const about = "Every answer has X-Request-Id. A refusal's code is what programs act on. HEAD is GET without the body; OPTIONS tells a path's methods. " +
	"Members that are not described here may be added to answers."

func document(version string, groups []Group) []byte {
	types := &schemas{named: map[string]*schema{}, types: map[string]reflect.Type{}}
	d := root{
		OpenAPI: "3.1.1", Info: info{Title: "cdxgate", Version: cmp.Or(version, "unknown"), Description: about}, Tags: []tag{},
		Paths: map[string]map[string]operation{}, Components: components{SecuritySchemes: schemes, Schemas: types.named},
	}
	for _, group := range groups {
		d.Tags = append(d.Tags, tag{group.Name})
		for _, o := range group.Operations {
			if d.Paths[o.Path] == nil {
				d.Paths[o.Path] = map[string]operation{}
			}
			d.Paths[o.Path][strings.ToLower(o.Method)] = types.operation(&group, &o)
		}
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(d); err != nil {
		panic(fmt.Sprintf("openapi: encoding the document: %v", err))
	}
	return text.Bytes()
}

func (s *schemas) operation(group *Group, o *Operation) operation {
	answers := 0
	for _, is := range []bool{o.Response != nil, len(o.Produces) > 0, o.Redirect != ""} {
		if is {
			answers++
		}
	}
	if answers != 1 {
		panic("openapi: " + o.Route() + " must say what it answers, once")
	}
	refusals := inJSON(s.refusal(o.allCodes(group)))
	for _, kind := range o.Refusals {
		refusals[kind] = media{}
	}
	described := operation{
		OperationID: operationID(o), Tags: []string{group.Name}, Summary: o.Summary, Description: "Who may: " + o.who(group) + ".",
		Security: []map[Scheme][]any{}, Parameters: parameters(o),
		Responses: map[string]response{"default": {Description: "Refused, or failed.", Content: refusals}},
	}
	if o.Redirect != "" {
		described.Responses["303"] = response{Description: "Done: " + o.Redirect + "."}
	} else {
		described.Responses["200"] = response{Description: "Done.", Content: s.answer(o)}
	}
	if group.URL != "" {
		described.Servers = []server{{group.URL}}
	}
	for _, scheme := range group.Security {
		described.Security = append(described.Security, map[Scheme][]any{scheme: {}})
	}
	if o.Request != nil {
		described.RequestBody = &body{s.body(o)}
	}
	return described
}

func (s *schemas) body(o *Operation) map[string]media {
	s.request = true
	defer func() { s.request = false }()
	content := inJSON(s.of(o.Request))
	if len(o.Form) > 0 {
		fields := &schema{Type: "object", Properties: map[string]*schema{}}
		for _, field := range o.Form {
			fields.Properties[field.Name] = &schema{Type: "string", Description: field.Summary}
		}
		content["multipart/form-data"] = media{fields}
	}
	return content
}

func (o *Operation) who(group *Group) string { return cmp.Or(o.Who, group.Who) }

func (o *Operation) allCodes(group *Group) []string {
	return slices.Compact(slices.Sorted(slices.Values(slices.Concat(o.Codes, group.Codes))))
}

var word = regexp.MustCompile(`[A-Za-z0-9]+`)

// operationID names an operation for programs that are generated: postAdminHostsRegister.
func operationID(o *Operation) string {
	id := strings.ToLower(o.Method)
	for _, part := range word.FindAllString(o.Path, -1) {
		id += strings.ToUpper(part[:1]) + part[1:]
	}
	return id
}

func parameters(o *Operation) (all []parameter) {
	text := schema{Type: "string"}
	for _, name := range o.pathParameters() {
		all = append(all, parameter{Name: name, In: "path", Required: true, Schema: text})
	}
	for _, p := range o.Query {
		all = append(all, parameter{Name: p.Name, In: "query", Description: p.Summary, Schema: text})
	}
	for _, p := range o.Headers {
		all = append(all, parameter{Name: p.Name, In: "header", Description: p.Summary, Schema: text})
	}
	return all
}

func inJSON(s *schema) map[string]media { return map[string]media{"application/json": {s}} }

// answer is the envelope around the data, unless the operation produces something else.
func (s *schemas) answer(o *Operation) map[string]media {
	if o.Response != nil {
		return inJSON(&schema{
			Type: "object", Required: []string{"data", "status"},
			Properties: map[string]*schema{"status": {Const: "ok"}, "data": s.of(o.Response)},
		})
	}
	content := map[string]media{}
	for _, kind := range o.Produces {
		content[kind] = media{}
	}
	return content
}

// refusal is the one shape of all refusals, with the codes of this one.
func (s *schemas) refusal(codes []string) *schema {
	return &schema{AllOf: []*schema{
		s.of(api.Error{}), {Properties: map[string]*schema{"code": {Enum: codes}}},
	}}
}
