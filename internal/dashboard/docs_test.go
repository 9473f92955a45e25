package dashboard

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The checklist of docs/dashboard.md names tests: each is there.
func TestTheChecklistNamesTests(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/dashboard.md")
	if err != nil {
		t.Fatal(err)
	}
	var tests strings.Builder
	for _, pattern := range []string{"*_test.go", "../../templates/*_test.go", "../pagetest/*_test.go", "../fleet/*_test.go", "../../e2e/*_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			tests.Write(source)
		}
	}
	rows := 0
	for line := range strings.Lines(string(text)) {
		if !regexp.MustCompile(`^\| [SHB]-`).MatchString(line) {
			continue
		}
		rows++
		names := regexp.MustCompile("`(Test[A-Za-z]+)`").FindAllStringSubmatch(line, -1)
		if len(names) == 0 {
			t.Errorf("no test holds %s", line)
		}
		for _, name := range names {
			if !strings.Contains(tests.String(), "func "+name[1]+"(t *testing.T)") {
				t.Errorf("there is no %s", name[1])
			}
		}
	}
	if rows < 20 {
		t.Errorf("got %d rows", rows)
	}
}

// Every page of the menu is in the table of docs/dashboard.md.
func TestEveryPageIsDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/dashboard.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range menu {
		if _, there := New(Config{}).needs["GET "+pathOf(entry.path)]; there && !strings.Contains(string(text), "`"+entry.path+"`") {
			t.Errorf("%s is not in docs/dashboard.md", entry.path)
		}
	}
}
