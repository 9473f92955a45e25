//go:build unix

package cdx

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestBashCompletes asks bash itself what it would offer.
func TestBashCompletes(t *testing.T) {
	t.Parallel()
	script := filepath.Join(t.TempDir(), "cdx.bash")
	must(os.WriteFile(script, []byte(completion("bash")), 0o600))
	codex := `_codex() { COMPREPLY=("codex:$1:$2:$3"); }; `
	for _, c := range []struct{ before, line, want string }{
		{"", "cdx st", "status"},
		{"", "cdx --si", "--silent"},
		{"", "cdx --silent --color never st", "status"},
		{"", "cdx --color a", "auto always"},
		{"", "cdx status -", "-o --output --color"},
		{"", "cdx status -o ", "text json"},
		{"", "cdx doctor --color n", "never"},
		{"", "cdx completion f", "fish"},
		{"", "cdx exec st", ""},
		{"", "cdx -m st", ""},
		{codex, "cdx st", "codex:cdx:st:cdx status"},
		{codex, "cdx exec --j", "codex:cdx:--j:exec"},
		{codex, "cdx status -o j", "json"},
	} {
		words := strings.Split(c.line, " ")
		program := c.before + `source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _cdx "$1"; echo "${COMPREPLY[*]}"`
		out, err := exec.CommandContext(t.Context(), "bash", append([]string{"-uec", program, script}, words...)...).CombinedOutput()
		if got := strings.TrimSuffix(string(out), "\n"); err != nil || got != c.want {
			t.Errorf("%s: got %q, %v, want %q", c.line, got, err, c.want)
		}
	}
}

// TestManPageFormats lets groff, where there is one, complain about the manual page.
func TestManPageFormats(t *testing.T) {
	t.Parallel()
	for line := range strings.Lines(ManPage()) {
		if strings.HasPrefix(line, "'") || strings.HasPrefix(line, ".") && !strings.Contains(".TH .SH .TP .PP .B .I .RI .br ", strings.Fields(line)[0]+" ") {
			t.Errorf("got the request %q", line)
		}
	}
	groff, err := exec.LookPath("groff")
	if err != nil {
		return // it is no part of what tests need; the loop above found what matters
	}
	cmd := exec.CommandContext(t.Context(), groff, "-man", "-Tutf8", "-ww", "-z")
	cmd.Stdin = strings.NewReader(ManPage())
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("groff: %v: %s", err, out)
	}
}
