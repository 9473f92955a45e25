package cdx

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/cdxgate/cdxgate/internal/api"
)

func TestPreferHostModel(t *testing.T) {
	t.Parallel()
	const model, effort = `-c model="o3"`, `-c model_reasoning_effort="high"`
	for _, c := range []struct{ args, added string }{
		{"", model + " " + effort},
		{"exec -C -m x", model + " " + effort}, // -m is where Codex is to work
		{"exec -- -m x", model + " " + effort}, // a prompt
		{"-c modelx=1 exec", model + " " + effort},
		{"-m x", ""},
		{"-mx", ""},
		{"exec --model=x", ""},
		{"exec --model x", ""},
		{`exec -c model="x"`, ""},
		{"-cmodel=x", ""},
		{"-c=model=x", ""},
		{"--config model=x", ""},
		{"--config=model=x resume", ""},
		{"--config=model_provider=x", ""},
		{"-p mine", ""},
		{"--profile=mine", ""},
		{"--oss", ""},
		{"-c model_reasoning_effort=low exec", model},
		{"-c", model + " " + effort},
	} {
		s := &session{blocks: blocksOf(t, map[string]any{
			api.BlockHost: map[string]any{"model_override": "o3", "reasoning_effort_override": "high"},
		})}
		args := strings.Fields(c.args)
		want := append(strings.Fields(c.added), args...)
		if got := s.preferHostModel(slices.Clone(args)); !slices.Equal(got, want) {
			t.Errorf("codex %s: got %q, want %q", c.args, got, want)
		}
	}
}

func TestPreferHostModelRefusesHostileNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{`x" sandbox_mode="danger-full-access`, "-m", "a\nb", "a b", `a\u0022`, "ä", strings.Repeat("a", 200), "\x1b[31m"} {
		s := &session{blocks: blocksOf(t, map[string]any{
			api.BlockHost: map[string]any{"model_override": name, "reasoning_effort_override": name},
		})}
		if got := s.preferHostModel([]string{"x"}); !slices.Equal(got, []string{"x"}) || len(s.notices) != 2 {
			t.Errorf("%q: got %q and the notices %v", name, got, s.notices)
		}
	}
}

// blocksOf are blocks as a gateway sends them.
func blocksOf(t *testing.T, data map[string]any) blocks {
	t.Helper()
	b := blocks{}
	for name, value := range data {
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		b[name] = api.Block{ETag: name, Data: text}
	}
	return b
}
