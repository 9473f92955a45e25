package openapi_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cdxgate/cdxgate/internal/admin"
	"github.com/cdxgate/cdxgate/internal/hostapi"
	"github.com/cdxgate/cdxgate/internal/openapi"
)

var update = flag.Bool("update", false, "write testdata/operations.golden")

func groups() []openapi.Group {
	return append(hostapi.Describe("https://codex.example"), admin.New(admin.Config{}).Describe()...)
}

func document(t *testing.T) map[string]any {
	t.Helper()
	value, err := parsed(openapi.Describe("1.2.3", groups()...).JSON)
	if err != nil {
		t.Fatal(err)
	}
	return value.(map[string]any)
}

var placeholder = regexp.MustCompile(`\{([^}]*)\}`)

// operations visits every operation of a document.
func operations(document map[string]any, visit func(method, path string, operation map[string]any)) {
	paths := document["paths"].(map[string]any)
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		methods := paths[path].(map[string]any)
		for _, method := range slices.Sorted(maps.Keys(methods)) {
			visit(strings.ToUpper(method), path, methods[method].(map[string]any))
		}
	}
}

// What OpenAPI 3.1 demands of a document and a type does not see to.
func TestStructure(t *testing.T) {
	t.Parallel()
	d := document(t)
	if d["openapi"] != "3.1.1" || d["info"].(map[string]any)["title"] == "" || d["info"].(map[string]any)["version"] != "1.2.3" {
		t.Errorf("got %v %v", d["openapi"], d["info"])
	}
	components := d["components"].(map[string]any)
	schemes := components["securitySchemes"].(map[string]any)
	ids, tags := map[any]string{}, map[any]bool{}
	for _, tag := range d["tags"].([]any) {
		tags[tag.(map[string]any)["name"]] = true
	}
	operations(d, func(method, path string, o map[string]any) {
		route := method + " " + path
		id, _ := o["operationId"].(string)
		if ids[id] != "" || !regexp.MustCompile(`^[a-z][A-Za-z0-9]+$`).MatchString(id) {
			t.Errorf("%s: the id %q is %s's, too, or none", route, id, ids[id])
		}
		ids[id] = route
		if !tags[o["tags"].([]any)[0]] {
			t.Errorf("%s: got tags %v, want those of the document", route, o["tags"])
		}
		if summary, _ := o["summary"].(string); summary == "" || strings.HasSuffix(summary, ".") {
			t.Errorf("%s: got the summary %q", route, summary)
		}
		if !strings.HasPrefix(path, "/") {
			t.Errorf("%s does not begin with a slash", route)
		}
		var want, got []string
		for _, match := range placeholder.FindAllStringSubmatch(path, -1) {
			want = append(want, match[1])
		}
		for _, p := range list(o["parameters"]) {
			parameter := p.(map[string]any)
			if parameter["in"] == "path" {
				got = append(got, parameter["name"].(string))
				if required, _ := parameter["required"].(bool); !required {
					t.Errorf("%s: the parameter %v of the path is not required", route, parameter["name"])
				}
			}
			if parameter["schema"] == nil {
				t.Errorf("%s: the parameter %v has no schema", route, parameter["name"])
			}
		}
		if !slices.Equal(got, want) || slices.Contains(want, "") {
			t.Errorf("%s: got parameters %q", route, got)
		}
		for _, one := range o["security"].([]any) {
			for name := range one.(map[string]any) {
				if schemes[name] == nil {
					t.Errorf("%s: there is no scheme %s", route, name)
				}
			}
		}
		responses := o["responses"].(map[string]any)
		if (responses["200"] == nil) == (responses["303"] == nil) || responses["default"] == nil || len(responses) != 2 {
			t.Errorf("%s: got the responses %v", route, responses)
		}
		for status, r := range responses {
			response := r.(map[string]any)
			if response["description"] == "" || (response["content"] == nil) != (status == "303") {
				t.Errorf("%s: got the response %v for %s", route, response, status)
			}
		}
	})
	if len(ids) < 20 {
		t.Errorf("got %d operations, want them all", len(ids))
	}
	for name := range components["schemas"].(map[string]any) {
		if !regexp.MustCompile(`^[A-Z][A-Za-z0-9_]*$`).MatchString(name) {
			t.Errorf("got a schema called %s", name)
		}
	}
}

// Every reference leads somewhere, and every schema is led to.
func TestReferences(t *testing.T) {
	t.Parallel()
	d := document(t)
	seen := map[string]bool{}
	var walk func(value any)
	walk = func(value any) {
		switch v := value.(type) {
		case []any:
			for _, one := range v {
				walk(one)
			}
		case map[string]any:
			if reference, is := v["$ref"].(string); is {
				seen[reference] = true
				if (checker{d}).resolve(reference) == nil {
					t.Errorf("%s leads nowhere", reference)
				}
			}
			for _, one := range v {
				walk(one)
			}
		}
	}
	walk(d)
	for name := range d["components"].(map[string]any)["schemas"].(map[string]any) {
		if !seen["#/components/schemas/"+name] {
			t.Errorf("nothing refers to the schema %s", name)
		}
	}
}

// A code is API: docs/api.md says what each means.
func TestEveryCodeIsDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "\n## Codes\n")
	for _, group := range groups() {
		for _, o := range append(group.Operations, openapi.Operation{Summary: group.Name, Codes: group.Codes}) {
			for i, code := range o.Codes {
				if !strings.Contains(table, "| `"+code+"` |") {
					t.Errorf("%s%s: docs/api.md has no row for the code %s", o.Path, o.Summary, code)
				}
				if slices.Contains(o.Codes[:i], code) || o.Path != "" && slices.Contains(group.Codes, code) {
					t.Errorf("%s %s: the code %s is there twice", o.Method, o.Path, code)
				}
			}
		}
	}
}

// The list is what somebody would look over who asks what the API is. go test ./internal/openapi -update writes it.
func TestOperations(t *testing.T) {
	t.Parallel()
	const name = "testdata/operations.golden"
	var got strings.Builder
	operations(document(t), func(method, path string, o map[string]any) {
		fmt.Fprintf(&got, "%s %s: %s. %s\n", method, path, o["summary"], o["description"])
	})
	if *update {
		if err := os.WriteFile(name, []byte(got.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("got\n%s\nwant\n%s", &got, want)
	}
}
