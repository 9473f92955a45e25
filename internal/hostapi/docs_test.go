package hostapi_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/cdxgate/cdxgate/internal/admin"
	"github.com/cdxgate/cdxgate/internal/hostapi"
)

func apiDocument(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestEveryRouteIsDocumented(t *testing.T) {
	t.Parallel()
	document := apiDocument(t)
	routes := append(hostapi.New(hostapi.Config{}).Routes(), admin.New(admin.Config{}).Routes()...)
	if len(routes) < 10 {
		t.Fatalf("got %d routes, want them all: %v", len(routes), routes)
	}
	for _, route := range routes {
		if !strings.Contains(document, "| `"+route+"` |") {
			t.Errorf("docs/api.md has no row for %s", route)
		}
	}
}

// A row says that a call is there; its section says who may make it, what is refused, and what it looks like.
func TestEveryRouteHasASection(t *testing.T) {
	t.Parallel()
	sections := map[string]string{} // :: route as in the table → text
	parameter := regexp.MustCompile(`\{[a-z]+\}`)
	for section := range strings.SplitSeq(apiDocument(t), "\n### `") {
		title, text, found := strings.Cut(section, "`")
		if found {
			text, _, _ = strings.Cut(text, "\n## ")
			sections[parameter.ReplaceAllString(title, "{}")] += text
		}
	}
	for _, route := range append(hostapi.New(hostapi.Config{}).Routes(), admin.New(admin.Config{}).Routes()...) {
		text := sections[route]
		for _, part := range []string{"Who may:", "Codes:", "curl "} {
			if !strings.Contains(text, part) {
				t.Errorf("the section about %s in docs/api.md has no %q", route, part)
			}
		}
	}
}

func TestEveryCodeIsDocumented(t *testing.T) {
	t.Parallel()
	_, table, found := strings.Cut(apiDocument(t), "\n## Codes\n")
	if !found {
		t.Fatal("docs/api.md has no table of codes")
	}
	codes := codesInSource(t)
	if len(codes) < 30 {
		t.Fatalf("got %d codes, want them all: %v", len(codes), codes)
	}
	for code, where := range codes {
		if !strings.Contains(table, "| `"+code+"` |") {
			t.Errorf("docs/api.md has no row for the code %s (%s)", code, where)
		}
	}
	for line := range strings.Lines(table) {
		if code, rest, ok := strings.Cut(strings.TrimPrefix(line, "| `"), "` |"); ok && rest != "" && codes[code] == "" {
			t.Errorf("docs/api.md documents the code %s, which nothing returns", code)
		}
	}
}

// codesInSource finds the second argument of errs.New and the field Code of errs.Error, wherever they stand.
func codesInSource(t *testing.T) map[string]string {
	t.Helper()
	codes := map[string]string{}
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if len(n.Args) == 3 && (isName(n.Fun, "errs", "New")) {
					addCode(codes, n.Args[1], path)
				}
			case *ast.KeyValueExpr:
				if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Code" {
					addCode(codes, n.Value, path)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return codes
}

func isName(e ast.Expr, pkg, name string) bool {
	selector, ok := e.(*ast.SelectorExpr)
	if !ok || selector.Sel.Name != name {
		return false
	}
	x, ok := selector.X.(*ast.Ident)
	return ok && x.Name == pkg
}

func addCode(codes map[string]string, e ast.Expr, path string) {
	if literal, ok := e.(*ast.BasicLit); ok && literal.Kind == token.STRING {
		code, _ := strconv.Unquote(literal.Value)
		codes[code] = path
	}
}
