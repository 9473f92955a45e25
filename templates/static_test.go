package templates_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/cdxgate/cdxgate/templates"
)

func TestStaticFiles(t *testing.T) {
	t.Parallel()
	address := regexp.MustCompile(`^/dashboard/static/[0-9a-f]{16}/[a-z]+\.(css|js|svg)$`)
	for _, file := range templates.StaticFiles {
		if got := templates.Static(path.Base(file.Path)); !address.MatchString(got) || got != templates.StaticBase+file.Path {
			t.Errorf("got address %q", got)
		}
		reader, err := gzip.NewReader(bytes.NewReader(file.Gzipped))
		if err != nil {
			t.Fatal(err)
		}
		if content, err := io.ReadAll(reader); err != nil || !bytes.Equal(content, file.Content) {
			t.Errorf("%s: compressed it is something else, %v", file.Path, err)
		}
		// Nothing is fetched from elsewhere. The names of XML's dialects are no addresses.
		text := strings.ReplaceAll(string(file.Content), "http://www.w3.org/", "")
		if !strings.Contains(file.Path, "htmx") && regexp.MustCompile(`https?://|@import|url\([^#"]`).MatchString(text) {
			t.Errorf("%s mentions an address elsewhere", file.Path)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("a file that there is not has an address")
		}
	}()
	templates.Static("nothing.css")
}

// What is not ours is exactly what its project has published, and the list names all of it.
func TestVendored(t *testing.T) {
	t.Parallel()
	sums := map[string]string{}
	for _, file := range templates.StaticFiles {
		sum := sha256.Sum256(file.Content)
		sums[path.Base(file.Path)] = hex.EncodeToString(sum[:])
	}
	listed := map[string]bool{"app.css": true, "app.js": true, "tokens.css": true, "favicon.svg": true} // ours
	for _, line := range templates.Vendored() {
		name, pack, want := line[0], line[1], line[3]
		listed[name] = true
		if sums[name] != want || !regexp.MustCompile(`^[A-Za-z.]+@\d+\.\d+\.\d+$`).MatchString(pack) {
			t.Errorf("%s of %s: got %s, want %s", name, pack, sums[name], want)
		}
	}
	for name := range sums {
		if !listed[name] {
			t.Errorf("%s is neither ours nor in static/vendored.txt", name)
		}
	}
}

// Every class that a component writes is one of the style sheet: a typing error shows here and not on the page.
func TestEveryClassHasAStyle(t *testing.T) {
	t.Parallel()
	var sheet string
	for _, file := range templates.StaticFiles {
		if name := path.Base(file.Path); name == "app.css" || name == "app.js" {
			sheet += string(file.Content)
		}
	}
	attribute, unstyled := regexp.MustCompile(`class="([^"]*)"`), map[string]bool{}
	for _, component := range pages() {
		for _, match := range attribute.FindAllStringSubmatch(string(render(t, component)), -1) {
			for name := range strings.FieldsSeq(match[1]) {
				if !regexp.MustCompile(`[.\-]` + regexp.QuoteMeta(name) + `(?:[^\w-]|$)`).MatchString(sheet) {
					unstyled[name] = true
				}
			}
		}
	}
	for name := range unstyled {
		t.Errorf("nothing styles the class %s", name)
	}
}

// A rule that is not closed swallows all that stand below it.
func TestStyleSheetIsClosed(t *testing.T) {
	t.Parallel()
	css, err := os.ReadFile("static/app.css")
	if err != nil {
		t.Fatal(err)
	}
	depth := 0
	for i, line := range strings.Split(string(css), "\n") {
		if strings.HasPrefix(line, "/* ---") && depth != 0 {
			t.Errorf("line %d: %q begins within a rule", i+1, line)
		}
		depth += strings.Count(line, "{") - strings.Count(line, "}")
	}
	if depth != 0 {
		t.Errorf("%d rules are not closed", depth)
	}
}
