package caddymodule

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/cdxgate/cdxgate"

// listed is a package as go list prints it.
type listed struct {
	ImportPath string
	Imports    []string // without those of its tests
	Deps       []string
}

// ours lists every package of this repository as it is built for an operating system.
func ours(t *testing.T, goos string) map[string]listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=ImportPath,Imports,Deps,Module", "./...")
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "GOOS="+goos)
	out, err := cmd.Output()
	if err != nil {
		failure, _ := errors.AsType[*exec.ExitError](err)
		t.Fatalf("listing packages: %v\n%s", err, failure.Stderr)
	}
	packages := map[string]listed{}
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		if p.ImportPath == module || strings.HasPrefix(p.ImportPath, module+"/") {
			packages[strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")] = p
		}
	}
}

// Imports point one way: cmd, caddymodule, surfaces, subjects, db.
func TestImportsPointOneWay(t *testing.T) {
	t.Parallel()
	reachCaddy := []string{"", "caddymodule", "cmd/cdxgate"}
	leaves := []string{"internal/api", "internal/api/jsondoc", "internal/errs", "internal/seal", "internal/github", "internal/publictls", "internal/token", "db"}
	subjects := []string{
		"internal/access", "internal/adminca", "internal/audit", "internal/credential", "internal/fleet", "internal/library", "internal/periodic", "internal/policy",
		"internal/ratelimit", "internal/release", "internal/signing", "internal/usage",
	}
	below := append([]string{"internal/audit", "internal/fleet"}, leaves...) // what every subject may stand on
	for _, goos := range []string{"linux", "darwin"} {
		packages := ours(t, goos)
		for _, name := range slices.Concat(reachCaddy, leaves, subjects, []string{"cmd/cdx", "internal/cdx"}) {
			if _, there := packages[name]; !there {
				t.Fatalf("%s: there is no package %q any more; this test must learn what became of it", goos, name)
			}
		}
		for name, p := range packages {
			ourDeps := func() (names []string) {
				for _, dep := range p.Deps {
					if rest, is := strings.CutPrefix(dep, module+"/"); is {
						names = append(names, rest)
					}
				}
				return names
			}()
			for _, dep := range p.Deps {
				if strings.HasPrefix(dep, "github.com/caddyserver/caddy") && !slices.Contains(reachCaddy, name) {
					t.Errorf("%s: %s reaches %s; only caddymodule knows Caddy", goos, name, dep)
				}
			}
			if slices.Contains(leaves, name) {
				for _, dep := range ourDeps {
					if !strings.HasPrefix(dep, name+"/") { // what lies below a leaf is its own
						t.Errorf("%s: the leaf %s reaches %s", goos, name, dep)
					}
				}
			}
			if slices.Contains(subjects, name) && slices.Contains(p.Imports, "net/http") {
				t.Errorf("%s: the subject %s imports net/http; a subject does not know how it is asked", goos, name)
			}
			for _, dep := range ourDeps {
				if slices.Contains(subjects, name) && !slices.Contains(below, dep) {
					t.Errorf("%s: the subject %s reaches %s; surfaces compose, subjects do not", goos, name, dep)
				}
			}
			if name == "cmd/cdx" || name == "internal/cdx" {
				for _, dep := range ourDeps {
					allowed := []string{"internal/cdx", "internal/api"}
					if !slices.ContainsFunc(allowed, func(a string) bool { return dep == a || strings.HasPrefix(dep, a+"/") }) {
						t.Errorf("%s: the client %s reaches %s", goos, name, dep)
					}
				}
			}
		}
	}
}
