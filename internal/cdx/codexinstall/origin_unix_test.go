//go:build unix

package codexinstall

import (
	"os"
	"path/filepath"
	"testing"
)

// lay makes files with their content; a text that begins with -> makes a link.
func lay(t *testing.T, dir string, contents map[string]string) {
	t.Helper()
	for name, text := range contents {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		var err error
		if len(text) > 2 && text[:2] == "->" {
			err = os.Symlink(text[2:], path)
		} else {
			err = os.WriteFile(path, []byte(text), 0o700)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestOriginOf(t *testing.T) {
	t.Parallel()
	const manifest = `{"name":"@openai/codex","version":"0.169.0"}`
	const standalone = "home/packages/standalone/releases/0.169.0-x86_64-unknown-linux-musl/"
	for name, c := range map[string]struct {
		files  map[string]string
		path   string
		want   Origin
		advice string
	}{
		"npm": {
			map[string]string{
				"lib/node_modules/@openai/codex/package.json": manifest,
				"lib/node_modules/@openai/codex/bin/codex.js": "#!/usr/bin/env node",
				"bin/codex": "->../lib/node_modules/@openai/codex/bin/codex.js",
			}, "bin/codex", Origin{NPM, "0.169.0", "npm"}, "npm install -g @openai/codex@0.170.0",
		},
		"npm, the program behind the launcher": {
			map[string]string{
				"lib/node_modules/@openai/codex/package.json":                                                  manifest,
				"lib/node_modules/@openai/codex/node_modules/@openai/codex-linux-x64/package.json":             `{"name":"@openai/codex","version":"0.169.0-linux-x64"}`,
				"lib/node_modules/@openai/codex/node_modules/@openai/codex-linux-x64/vendor/x86_64/bin/codex":  "x",
				"lib/node_modules/@openai/codex/node_modules/@openai/codex-linux-x64/vendor/x86_64/other-file": "x",
			}, "lib/node_modules/@openai/codex/node_modules/@openai/codex-linux-x64/vendor/x86_64/bin/codex",
			Origin{NPM, "0.169.0", "npm"}, "npm install -g @openai/codex@0.170.0",
		},
		"npm on Windows": {
			map[string]string{"npm/codex.cmd": "@echo off", "npm/node_modules/@openai/codex/package.json": manifest},
			"npm/codex.cmd", Origin{NPM, "0.169.0", "npm"}, "npm install -g @openai/codex@0.170.0",
		},
		"npm with a broken manifest": {
			map[string]string{
				"lib/node_modules/@openai/codex/package.json": "{",
				"lib/node_modules/@openai/codex/bin/codex.js": "x",
			}, "lib/node_modules/@openai/codex/bin/codex.js", Origin{Kind: Other}, "update it to 0.170.0 the way it was installed",
		},
		"another package": {
			map[string]string{
				"lib/node_modules/codex-cli/package.json": `{"name":"codex-cli","version":"1.0.0"}`,
				"lib/node_modules/codex-cli/bin/codex.js": "x",
			}, "lib/node_modules/codex-cli/bin/codex.js", Origin{Kind: Other}, "update it to 0.170.0 the way it was installed",
		},
		"a program beside a package": {
			map[string]string{"npm/codex": "x", "npm/node_modules/@openai/codex/package.json": manifest},
			"npm/codex", Origin{Kind: Other}, "update it to 0.170.0 the way it was installed",
		},
		"pnpm": {
			map[string]string{
				"node_modules/.pnpm/x/node_modules/@openai/codex/package.json": manifest,
				"node_modules/.pnpm/x/node_modules/@openai/codex/bin/codex.js": "x",
			}, "node_modules/.pnpm/x/node_modules/@openai/codex/bin/codex.js", Origin{NPM, "0.169.0", "pnpm"}, "pnpm add -g @openai/codex@0.170.0",
		},
		"bun": {
			map[string]string{
				".bun/install/global/node_modules/@openai/codex/package.json": manifest,
				".bun/install/global/node_modules/@openai/codex/bin/codex.js": "x",
				".bun/bin/codex": "->../install/global/node_modules/@openai/codex/bin/codex.js",
			}, ".bun/bin/codex", Origin{NPM, "0.169.0", "bun"}, "bun install -g @openai/codex@0.170.0",
		},
		"brew, formula": {
			map[string]string{"brew/Cellar/codex/0.169.0/bin/codex": "x", "brew/bin/codex": "->../Cellar/codex/0.169.0/bin/codex"},
			"brew/bin/codex", Origin{Kind: Brew, Version: "0.169.0"}, "brew upgrade codex",
		},
		"brew, revised": {
			map[string]string{"brew/Cellar/codex/0.169.0_1/bin/codex": "x"},
			"brew/Cellar/codex/0.169.0_1/bin/codex", Origin{Kind: Brew, Version: "0.169.0"}, "brew upgrade codex",
		},
		"brew, cask": {
			map[string]string{"brew/Caskroom/codex/0.169.0/codex-x": "x", "brew/bin/codex": "->../Caskroom/codex/0.169.0/codex-x"},
			"brew/bin/codex", Origin{Kind: Brew, Version: "0.169.0"}, "brew upgrade codex",
		},
		"brew, another formula": {
			map[string]string{"brew/Cellar/node/22.0.0/bin/codex": "x"},
			"brew/Cellar/node/22.0.0/bin/codex", Origin{Kind: Other}, "update it to 0.170.0 the way it was installed",
		},
		"standalone": {
			map[string]string{
				standalone + "bin/codex":           "x",
				"home/packages/standalone/current": "->releases/0.169.0-x86_64-unknown-linux-musl",
				"bin/codex":                        "->../home/packages/standalone/current/bin/codex",
			}, "bin/codex", Origin{Kind: Standalone, Version: "0.169.0"}, "curl -fsSL https://chatgpt.com/codex/install.sh | sh",
		},
		"standalone on Windows": {
			map[string]string{"home/packages/standalone/releases/0.169.0-x86_64-pc-windows-msvc/codex.exe": "x"},
			"home/packages/standalone/releases/0.169.0-x86_64-pc-windows-msvc/codex.exe",
			Origin{Standalone, "0.169.0", "powershell"}, "irm https://chatgpt.com/codex/install.ps1 | iex",
		},
		"ours": {
			map[string]string{"own/0.169.0/codex": "x", "bin/codex": "->../own/0.169.0/codex"},
			"bin/codex", Origin{Kind: Private, Version: "0.169.0"}, "cdx update",
		},
		"beside ours": {
			map[string]string{"own/keep": "", "own-not/0.169.0/codex": "x"},
			"own-not/0.169.0/codex", Origin{Kind: Other}, "update it to 0.170.0 the way it was installed",
		},
		"a file":      {map[string]string{"usr/bin/codex": "x"}, "usr/bin/codex", Origin{Kind: Other}, "update it to 0.170.0 the way it was installed"},
		"nothing":     {nil, "usr/bin/codex", Origin{Kind: Other}, "update it to 0.170.0 the way it was installed"},
		"a dead link": {map[string]string{"codex": "->nowhere"}, "codex", Origin{Kind: Other}, "update it to 0.170.0 the way it was installed"},
	} {
		dir := t.TempDir()
		lay(t, dir, c.files)
		got := OriginOf(filepath.Join(dir, c.path), Places{Root: filepath.Join(dir, "own"), CodexHome: filepath.Join(dir, "home")})
		if got != c.want {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
		if advice := got.Advice("0.170.0"); advice != c.advice {
			t.Errorf("%s: got the advice %q, want %q", name, advice, c.advice)
		}
	}
}

// The private directory may be reached by a link, as a home on another disk is.
func TestOriginBehindALinkedHome(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lay(t, dir, map[string]string{"disk/own/0.169.0/codex": "x", "home": "->disk"})
	places := Places{Root: filepath.Join(dir, "home", "own"), CodexHome: filepath.Join(dir, "home", ".codex")}
	for _, path := range []string{"home/own/0.169.0/codex", "disk/own/0.169.0/codex"} {
		if got := OriginOf(filepath.Join(dir, path), places); got.Kind != Private {
			t.Errorf("%s: got %+v", path, got)
		}
	}
	if got := OriginOf(filepath.Join(dir, "disk/own/0.169.0/codex"), Places{}); got.Kind != Other {
		t.Errorf("with no places known: got %+v", got)
	}
}
