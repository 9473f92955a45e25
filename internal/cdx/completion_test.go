package cdx

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestCompletionNamesEverything: no shell lacks a word of the tables, and no mark of a template is left.
func TestCompletionNamesEverything(t *testing.T) {
	t.Parallel()
	for _, shell := range shells {
		script := completion(shell)
		for _, word := range slices.Concat(completionWords(), shells, outputs, colours) {
			if !strings.Contains(script, strings.TrimPrefix(word, "--")) {
				t.Errorf("%s: there is no %q", shell, word)
			}
		}
		if left := regexp.MustCompile(`@[A-Z]+@`).FindString(script); left != "" {
			t.Errorf("%s: got %s", shell, left)
		}
		if strings.Count(script, "'")%2 != 0 {
			t.Errorf("%s: a quotation has no end", shell)
		}
	}
}

// TestManPageIsCurrent: docs/cdx.1 is what the tables say now. tools/generated.sh write makes it.
func TestManPageIsCurrent(t *testing.T) {
	t.Parallel()
	kept, err := os.ReadFile(filepath.Join("..", "..", "docs", "cdx.1"))
	if err != nil {
		t.Fatal(err)
	}
	if string(kept) != ManPage() {
		t.Error("docs/cdx.1 is stale: run make generate")
	}
}

// TestDocumentedExits: help, manual page and docs/cdx.md have every exit status with its meaning, and no other.
func TestDocumentedExits(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "cdx.md"))
	if err != nil {
		t.Fatal(err)
	}
	documented := regexp.MustCompile(`(?m)^\| (\d+) \| (.*) \|$`).FindAllStringSubmatch(string(text), -1)
	if len(documented) != len(exits) {
		t.Errorf("docs/cdx.md has %d exit statuses, cdx %d", len(documented), len(exits))
	}
	help, man := helpText(), ManPage()
	for i, row := range exits {
		code := strconv.Itoa(int(row.exit))
		if i < len(documented) && (documented[i][1] != code || documented[i][2] != row.meaning) {
			t.Errorf("docs/cdx.md says %q, cdx means %s: %s", documented[i][0], code, row.meaning)
		}
		if !regexp.MustCompile(`(?m)^  ` + code + ` +` + regexp.QuoteMeta(row.meaning) + `$`).MatchString(help) {
			t.Errorf("the help lacks exit status %s", code)
		}
		if !strings.Contains(man, ".B "+code+"\n"+sentence(row.meaning)) {
			t.Errorf("the manual page lacks exit status %s", code)
		}
	}
}
