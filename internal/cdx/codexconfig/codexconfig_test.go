package codexconfig

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	system := write(t, dir, "system.toml", "cli_auth_credentials_store = \"keyring\"\n[profiles.ops]\nmodel = \"m\"\n")
	user := write(t, dir, "user.toml", `
model = "gpt-5" # a comment
cli_auth_credentials_store = "auto"
[mcp_servers.docs]
url = "https://docs.example"
[projects."/home/u/it's"]
trust_level = "trusted"
[profiles.work]
model = "x"
[profiles."two words"]
`)
	silent := write(t, dir, "silent.toml", "model = \"gpt-5\"\n")
	missing := filepath.Join(dir, "missing.toml")
	for name, test := range map[string]struct {
		paths    []string
		store    string
		profiles []string
	}{
		"none":           {nil, "", nil},
		"missing":        {[]string{missing, missing}, "", nil},
		"system":         {[]string{system, missing}, StoreKeyring, []string{"ops"}},
		"user over it":   {[]string{system, user}, StoreAuto, []string{"ops", "two words", "work"}},
		"says not a bit": {[]string{system, silent}, StoreKeyring, []string{"ops"}},
	} {
		got, err := Read(test.paths...)
		if err != nil || got.CredentialsStore != test.store || !slices.Equal(got.Profiles, test.profiles) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
	got, _ := Read(user)
	if !got.HasProfile("work") || got.HasProfile("wor") || got.HasProfile("") {
		t.Errorf("got %+v", got)
	}
}

// What is wrong with one file says its name and takes nothing from the others.
func TestReadBroken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good := write(t, dir, "good.toml", `cli_auth_credentials_store = "ephemeral"`)
	if err := os.Mkdir(filepath.Join(dir, "directory.toml"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"cut.toml":       "model = \"gpt",
		"twice.toml":     "a = 1\na = 2\n",
		"number.toml":    "cli_auth_credentials_store = 3\n",
		"json.toml":      `{"model": "x"}`,
		"binary.toml":    "\x00\xff\xfe",
		"large.toml":     strings.Repeat("#", maxBytes) + "\n",
		"brackets.toml":  "a = " + strings.Repeat("[", 100_000),
		"directory.toml": "",
	} {
		path := filepath.Join(dir, name)
		if text != "" {
			write(t, dir, name, text)
		}
		for _, order := range [][]string{{path, good}, {good, path}} {
			got, err := Read(order...)
			if err == nil || !strings.Contains(err.Error(), path) || got.CredentialsStore != StoreEphemeral {
				t.Errorf("%s: got %+v, %v", name, got, err)
			}
		}
	}
}

func TestIsProfile(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	write(t, home, "config.toml", "[profiles.table]\n[profiles.exec]\n[profiles.both]\n[profiles.'a b']\n")
	for _, name := range []string{"file", "both", "review", "my-prompt_2"} {
		write(t, home, name+".config.toml", "")
	}
	if err := os.Mkdir(filepath.Join(home, "dir.config.toml"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Dir(home), "up.config.toml", "")
	for _, test := range []struct {
		name, version string
		want          bool
	}{
		{"file", "", true},
		{"file", "0.99.0", true},
		{"file", "0.169.0", true},
		{"my-prompt_2", "0.169.0", true},
		{"both", "0.133.0", true},
		{"both", "0.134.0", true},
		{"table", "0.133.9", true},
		{"table", "0.99.0-alpha.3", true},
		{"table", "0.134.0", false},
		{"table", "0.134.0-alpha.1", false},
		{"table", "0.169.0", false},
		{"table", "1.0.0", false},
		{"table", "", false},
		{"table", "unknown", false},
		{"exec", "0.99.0", false},
		{"review", "0.169.0", false},
		{"none", "0.99.0", false},
		{"dir", "0.169.0", false},
		{"a b", "0.99.0", false},
		{"", "0.99.0", false},
		{"config.toml", "0.99.0", false},
		{"file\n", "0.169.0", false},
		{"../up", "0.169.0", false},
		{"explain this", "0.99.0", false},
	} {
		if got := IsProfile(home, test.name, test.version); got != test.want {
			t.Errorf("%q with Codex %q: got %t", test.name, test.version, got)
		}
	}
	if !HasProfileFile(home, "review") || HasProfileFile(home, "table") || HasProfileFile(home, "../up") {
		t.Error("the file does not decide")
	}
	write(t, home, "config.toml", "[profiles.table]\nbroken")
	if IsProfile(home, "table", "0.99.0") || !IsProfile(home, "file", "0.99.0") {
		t.Error("a broken config.toml decides more than its own profiles")
	}
}

// What Codex 0.169 lists in its help and completes in a shell, hidden commands and aliases included, are subcommands.
func TestSubcommands(t *testing.T) {
	t.Parallel()
	if !slices.IsSorted(subcommands) {
		t.Error("the list is not sorted")
	}
	help, err := os.ReadFile(filepath.Join("testdata", "help-0.169.0.txt"))
	if err != nil {
		t.Fatal(err)
	}
	_, commands, _ := strings.Cut(string(help), "\nCommands:\n")
	commands, _, _ = strings.Cut(commands, "\nArguments:\n")
	completion, err := os.ReadFile(filepath.Join("testdata", "completion-0.169.0.bash"))
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, match := range regexp.MustCompile(`(?m)^  ([a-z][a-z-]*)  +\S`).FindAllStringSubmatch(commands, -1) {
		words = append(words, match[1])
	}
	for _, match := range regexp.MustCompile(`\[aliases: ([a-z, -]+)\]`).FindAllStringSubmatch(commands, -1) {
		words = append(words, strings.Split(match[1], ", ")...)
	}
	for _, match := range regexp.MustCompile(`(?m)^ +codex,([a-z-]+)\)$`).FindAllStringSubmatch(string(completion), -1) {
		words = append(words, match[1])
	}
	if len(words) != 27+2+34 {
		t.Errorf("got %d words from Codex: %q", len(words), words)
	}
	for _, word := range words {
		if !IsSubcommand(word) {
			t.Errorf("%s is none", word)
		}
	}
	for _, word := range []string{"", "work", "Exec", "exec "} {
		if IsSubcommand(word) {
			t.Errorf("%q is one", word)
		}
	}
}
