package caddymodule

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/standard" // what the Caddyfiles use beside ours
)

var update = flag.Bool("update", false, "rewrite testdata/*.caddyfiletest with what the adapter makes")

func TestMain(m *testing.M) {
	flag.Parse()
	// The shipped Caddyfile is filled in from the environment.
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "CDXGATE_") {
			if err := os.Unsetenv(name); err != nil {
				panic(err)
			}
		}
	}
	os.Exit(m.Run())
}

// A file holds one case or several: a Caddyfile, a line of dashes, and the JSON or the error that it becomes. A line of
// equals signs begins the next case; "# env NAME=VALUE" sets a variable for its case.
const (
	betweenHalves = "\n----------\n"
	betweenCases  = "\n==========\n"
)

var envLine = regexp.MustCompile(`(?m)^# env ([A-Z_]+)=(.*)$`)

func TestAdapt(t *testing.T) {
	files, err := filepath.Glob("testdata/*.caddyfiletest")
	if err != nil || len(files) == 0 {
		t.Fatalf("got %d files and error %v, want some", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".caddyfiletest"), func(t *testing.T) { adaptFile(t, file) })
	}
}

func adaptFile(t *testing.T, file string) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var rewritten []string
	for number, text := range strings.Split(strings.TrimSuffix(string(content), "\n"), betweenCases) {
		input, want, _ := strings.Cut(text, betweenHalves)
		t.Run(fmt.Sprint(number+1), func(t *testing.T) {
			for _, set := range envLine.FindAllStringSubmatch(input, -1) {
				t.Setenv(set[1], set[2])
			}
			got := adaptText(file, input)
			rewritten = append(rewritten, strings.TrimSuffix(input, "\n")+betweenHalves+got)
			if !*update && got != want {
				t.Errorf("%s\nbecomes\n%s\nwant\n%s", input, got, want)
			}
			// Whatever is refused is refused with its place and, if it is about a word of ours, that word.
			if strings.HasPrefix(filepath.Base(file), "reject_") {
				word := regexp.MustCompile(`(?m)^# names (\S+)$`).FindStringSubmatch(input)
				if word == nil || !strings.Contains(got, word[1]) {
					t.Errorf("error %q does not name the word of its “# names” line", got)
				}
				if place := regexp.MustCompile(regexp.QuoteMeta(file) + `:\d+`); !place.MatchString(got) {
					t.Errorf("error %q does not say where", got)
				}
			}
		})
	}
	if *update {
		if err := os.WriteFile(file, []byte(strings.Join(rewritten, betweenCases)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// adaptText returns indented JSON, or "Error: " and why there is none.
func adaptText(file, text string) string {
	adapted, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": file})
	if err != nil {
		return "Error: " + err.Error()
	}
	var out bytes.Buffer
	if err := json.Indent(&out, adapted, "", "\t"); err != nil {
		return "Error: " + err.Error()
	}
	for _, warning := range warnings {
		if !strings.Contains(warning.Message, "not formatted") {
			fmt.Fprintf(&out, "\nWarning: %s", warning)
		}
	}
	return out.String()
}

func TestShippedCaddyfileIsFormatted(t *testing.T) {
	t.Parallel()
	shipped, err := os.ReadFile("../Caddyfile")
	if err != nil {
		t.Fatal(err)
	}
	if got := caddyfile.Format(shipped); !bytes.Equal(got, shipped) {
		t.Errorf("cdxgate fmt makes another file of it:\n%s", got)
	}
}
