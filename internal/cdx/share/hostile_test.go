package share

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var hostileNames = []string{
	"", ".", "..", "...", "../x.md", "a/b.md", `a\b.md`, "/etc/passwd", `C:\x.md`, "C:x.md", "x.md:stream", ".hidden", "-rf",
	"x.", "x..md", "x.md ", " x.md", "x\x00.md", "x\n.md", "\x1b[2Jx.md", "х.md", "ｘ.md", "x\u202e.md", "\xff.md", "~", "x.md~",
	"con", "CON", "con.md", "Nul.tar.gz", "COM1", "lpt9.md", "aux.", "x.md.remote", "x.REMOTE", "*", "x?", strings.Repeat("a", 129),
}

func TestCheckName(t *testing.T) {
	t.Parallel()
	for _, name := range hostileNames {
		if CheckName(name) == nil {
			t.Errorf("got no error for %q", name)
		}
	}
	for _, name := range []string{"x.md", "X", "a-b_c.2.md", "console.md", "com10", "remote", "remote.md", "_", strings.Repeat("a", 128)} {
		if err := CheckName(name); err != nil {
			t.Errorf("%q: got %v", name, err)
		}
	}
}

func TestHostileList(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, name := range hostileNames {
		r.set(name, "evil")
	}
	r.set("good.md", "good")
	got := r.sync()
	wantCounts(t, got, Result{Written: 1})
	r.wantDisk(map[string]string{"good.md": "good"})
	if files := tree(t, filepath.Dir(r.dir)); len(files) != 2 { // and the baseline
		t.Errorf("got %q", files)
	}
	if len(got.Lines) != maxLines+1 || !strings.Contains(got.Lines[maxLines], fmt.Sprint(len(hostileNames)-maxLines)) {
		t.Errorf("got %q", got.Lines)
	}
}

func TestHugeList(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.set("x.md", "v1")
	r.sync()
	list := make([]Item, 100_000)
	for i := range list {
		list[i] = Item{Name: fmt.Sprintf("%d.md", i), SHA256: v1}
	}
	if _, err := r.it.Plan(list); err == nil || !strings.Contains(err.Error(), "100000 files") {
		t.Errorf("got %v", err)
	}
	r.wantDisk(map[string]string{"x.md": "v1"})
}

// Which of several is meant cannot be known, so what is there stays as it is.
func TestTwins(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.set("x.md", "v1")
	r.sync()
	for name, list := range map[string][]Item{
		"twice":           {{Name: "x.md", SHA256: v2}, {Name: "x.md", SHA256: v3}},
		"in another case": {{Name: "X.md", SHA256: v2}, {Name: "x.md", SHA256: v3}, {Name: "x.MD", SHA256: v3}},
		"no digest":       {{Name: "x.md", SHA256: "../../etc"}},
	} {
		plan, err := r.it.Plan(list)
		if err != nil {
			t.Fatal(err)
		}
		got := r.it.Apply(t.Context(), plan)
		if len(got.Lines) != 1 || got.Written+got.Removed+got.Failed != 0 {
			t.Errorf("%s: got %+v", name, got)
		}
		r.wantDisk(map[string]string{"x.md": "v1"})
	}
	// A file that was renamed is no twin of its old name.
	r.texts = map[string]string{"x.md": "v1", "X.md": "v1"}
	r.retire("x.md")
	for range 2 { // where cases are not told apart, the old one goes first
		r.sync()
	}
	r.wantDisk(map[string]string{"X.md": "v1"})
}

func TestOtherCase(t *testing.T) {
	t.Parallel()
	entries := []string{"README.md", "Review.md", "review.md"}
	for name, want := range map[string]string{"Review.md": "", "review.md": "", "REVIEW.md": "Review.md", "readme.md": "README.md", "new.md": ""} {
		if got := otherCase(entries, name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func symlink(t *testing.T, target, link string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(link), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
}

// Nothing is read or written through a link below the directory, whatever it leads to.
func TestLinks(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"fleet.md", "was.md", "retired.md", "copy.md"} {
		r.set(name, "v1")
	}
	r.sync()
	r.put("copy.md", "mine")
	for _, name := range []string{"fleet.md", "was.md", "retired.md"} {
		r.remove(name)
		symlink(t, secret, filepath.Join(r.dir, name))
	}
	symlink(t, secret, filepath.Join(r.dir, "shared.md"))
	symlink(t, filepath.Join(r.dir, "nowhere"), filepath.Join(r.dir, "new.md"))
	symlink(t, secret, filepath.Join(r.dir, "copy.md.remote"))
	for _, name := range []string{"fleet.md", "new.md", "copy.md"} {
		r.set(name, "v2")
	}
	r.retire("retired.md")
	r.it.Shared = []string{"shared.md"}
	got := r.sync()
	r.wantCalls()
	wantCounts(t, got, Result{Kept: 3, Failed: 2, Conflicts: 1})
	wantLines(t, got, "copy.md was changed here and in the fleet; yours stays, and as",
		"fleet.md is a symbolic link, so", "new.md is a symbolic link, so", "retired.md is retired from the fleet; here it stays")
	if text, err := os.ReadFile(secret); err != nil || string(text) != "secret" {
		t.Errorf("got %q, %v", text, err)
	}
	if _, err := os.Stat(filepath.Join(r.dir, "nowhere")); err == nil {
		t.Error("a dangling link was written through")
	}
}

func TestLinkedDirectories(t *testing.T) {
	t.Parallel()
	t.Run("the user's", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		dotfiles := t.TempDir()
		symlink(t, dotfiles, r.dir)
		r.set("x.md", "v1")
		wantCounts(t, r.sync(), Result{Written: 1})
		if got := tree(t, dotfiles); !maps.Equal(got, map[string]string{"x.md": "v1"}) {
			t.Errorf("got %q", got)
		}
	})
	t.Run("leading nowhere", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		symlink(t, "nowhere", r.dir)
		if _, err := r.it.Plan(nil); err == nil {
			t.Error("got no error")
		}
	})
	t.Run("of one skill", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.it.Place.Inside = "SKILL.md"
		elsewhere := t.TempDir()
		symlink(t, elsewhere, filepath.Join(r.dir, "review"))
		r.set("review", "v1")
		got := r.sync()
		wantLines(t, got, "review is no directory, so the fleet's text was not written")
		if files := tree(t, elsewhere); len(files) != 0 {
			t.Errorf("got %q", files)
		}
	})
}

func TestOddFiles(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.set("dir.md", "v1")
	r.set("large.md", "v1")
	r.set("binary.md", "v1")
	r.sync()
	r.remove("dir.md")
	r.put("dir.md/mine", "mine")
	r.put("large.md", strings.Repeat("x", defaultMaxBytes+1))
	r.put("binary.md", "\xff")
	got := r.sync()
	wantCounts(t, got, Result{Kept: 2, Failed: 1})
	wantLines(t, got, "binary.md was left as it is: it is not text")
	r.set("dir.md", "v2")
	r.set("large.md", "v2")
	got = r.sync()
	wantCounts(t, got, Result{Failed: 3})
	wantLines(t, got, "binary.md", "dir.md is no plain file, so", "large.md is larger than 256 KiB, so")
	r.wantCalls()
}
