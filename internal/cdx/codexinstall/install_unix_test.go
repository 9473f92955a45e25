//go:build unix

package codexinstall

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/cdx/download"
	"github.com/cdxgate/cdxgate/internal/cdx/files"
	"github.com/cdxgate/cdxgate/internal/cdx/program"
)

func TestInstall(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var done, total int64
	r.installer.Progress = func(d, all int64) { done, total = d, all }
	for _, c := range []struct {
		version, want string
		downloads     int32
	}{
		{"0.168.0", "0.168.0", 1},
		{"0.168.0", "0.168.0", 1}, // again: it is there
		{"rust-v0.160.0", "0.160.0", 2},
		{Latest, "0.169.0", 3},
		{Latest, "0.169.0", 3},
		{"0.169.0", "0.169.0", 3},
	} {
		got, err := r.installer.Install(t.Context(), c.version)
		if err != nil || got.Version != c.want || got.Path != filepath.Join(r.root, c.want, "codex") {
			t.Errorf("%s: got %+v, %v", c.version, got, err)
		}
		if n := r.downloads.Load(); n != c.downloads {
			t.Errorf("%s: got %d downloads, want %d", c.version, n, c.downloads)
		}
	}
	if size := r.asset("0.169.0").Size; done != size || total != size {
		t.Errorf("progress ended at %d of %d, want %d", done, total, size)
	}
	r.wantCopies("0.169.0", "0.168.0", "0.160.0")
	for _, dir := range []string{r.root, filepath.Dir(r.root), filepath.Join(r.root, "0.169.0")} {
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: got %v, %v", dir, info.Mode(), err)
		}
	}
	if n := r.asked.Load(); n != 4 {
		t.Errorf("the release server was asked %d times, want 4", n)
	}
}

func TestInstallFails(t *testing.T) {
	t.Parallel()
	marker := filepath.Join(t.TempDir(), "executed")
	hostile := "#!/bin/sh\ntouch " + marker + "\necho codex-cli 0.169.0\n"
	const version = "0.169.0"
	good := member{name: "codex-" + linuxTarget, text: codex(version)}
	holds := func(members ...member) func(*rig) {
		return func(r *rig) { r.release(version, tarball(members...)) }
	}
	edit := func(change func(*released)) func(*rig) { return func(r *rig) { r.edit(version, change) } }
	answer := func(handler http.HandlerFunc) func(*rig) { return func(r *rig) { r.answers(handler) } }
	status := func(code int) func(*rig) {
		return answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
	}
	text := func(text string) func(*rig) {
		return answer(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) })
	}
	// onDownload answers only the request for the archive.
	onDownload := func(handler func(*rig, http.ResponseWriter, *http.Request)) func(*rig) {
		return func(r *rig) {
			r.answers(func(w http.ResponseWriter, q *http.Request) {
				if strings.HasPrefix(q.URL.Path, "/download/") {
					handler(r, w, q)
					return
				}
				r.describe(w, "rust-v"+version, r.asset(version))
			})
		}
	}
	redirect := func(to string) func(*rig) {
		return onDownload(func(_ *rig, w http.ResponseWriter, q *http.Request) { http.Redirect(w, q, to, http.StatusFound) })
	}
	for name, c := range map[string]struct {
		edit func(*rig)
		want error
	}{
		"tampered":               {edit(func(a *released) { a.archive = tarball(member{name: "codex", text: hostile}); a.Size = 0 }), ErrTampered},
		"tampered in one bit":    {edit(func(a *released) { a.archive = flipped(a.archive) }), ErrTampered},
		"no digest":              {edit(func(a *released) { a.Digest = "" }), ErrNoDigest},
		"a digest of another":    {edit(func(a *released) { a.Digest = "md5:" + a.Digest[7:39] }), ErrNoDigest},
		"a digest in capitals":   {edit(func(a *released) { a.Digest = strings.ToUpper(a.Digest) }), ErrNoDigest},
		"truncated":              {edit(func(a *released) { a.archive = a.archive[:len(a.archive)/2] }), download.ErrSize},
		"truncated, size unsaid": {edit(func(a *released) { a.archive, a.Size = a.archive[:len(a.archive)/2], 0 }), ErrTampered},
		"longer":                 {edit(func(a *released) { a.archive = append(slices.Clip(a.archive), 'x') }), download.ErrSize},
		"no such asset":          {edit(func(a *released) { a.Name += ".zst" }), ErrNoAsset},
		"plain HTTP elsewhere":   {edit(func(a *released) { a.URL = "http://example.test/codex.tar.gz" }), ErrUnsafe},
		"plain HTTP next door":   {edit(func(a *released) { a.URL = "http://127.0.0.1:1/codex.tar.gz" }), ErrUnsafe},
		"a file":                 {edit(func(a *released) { a.URL = "file:///etc/passwd" }), ErrUnsafe},
		"a password in the URL":  {edit(func(a *released) { a.URL = strings.Replace(a.URL, "://", "://u:p@", 1) }), ErrUnsafe},
		"no URL":                 {edit(func(a *released) { a.URL = "" }), ErrUnsafe},

		"a way up":             {holds(member{name: "../codex", text: hostile}), ErrArchive},
		"a way up beside":      {holds(good, member{name: "../codex", text: hostile}), ErrArchive},
		"an absolute path":     {holds(member{name: "/codex", text: hostile}), ErrArchive},
		"a path":               {holds(member{name: "bin/codex", text: hostile}), ErrArchive},
		"a path of here":       {holds(member{name: "./codex", text: hostile}), ErrArchive},
		"a symbolic link":      {holds(member{name: "codex", kind: tar.TypeSymlink, link: "/bin/sh"}), ErrArchive},
		"a hard link":          {holds(good, member{name: "codex", kind: tar.TypeLink, link: "/bin/sh"}), ErrArchive},
		"a directory":          {holds(member{name: "codex/", kind: tar.TypeDir}), ErrArchive},
		"a device":             {holds(member{name: "codex", kind: tar.TypeChar}), ErrArchive},
		"a pipe":               {holds(member{name: "codex", kind: tar.TypeFifo}), ErrArchive},
		"two":                  {holds(good, good), ErrArchive},
		"two, by other names":  {holds(good, member{name: "codex", text: hostile}), ErrArchive},
		"more":                 {holds(good, member{name: "README", text: "x"}), ErrArchive},
		"another platform's":   {holds(member{name: "codex-x86_64-apple-darwin", text: hostile}), ErrArchive},
		"nothing":              {holds(), ErrArchive},
		"no archive":           {func(r *rig) { r.release(version, []byte(hostile)) }, ErrArchive},
		"no content":           {func(r *rig) { r.release(version, nil) }, ErrArchive},
		"an archive cut short": {func(r *rig) { a := tarball(good); r.release(version, a[:len(a)/2]) }, ErrArchive},

		"another version inside": {holds(member{name: "codex", text: codex("0.168.0")}), ErrWrongProgram},
		"a longer version":       {holds(member{name: "codex", text: codex("0.169.0-alpha.1")}), ErrWrongProgram},
		"another program":        {holds(member{name: "codex", text: "#!/bin/sh\necho cdx 0.169.0\n"}), ErrWrongProgram},

		"another tag":       {answer(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"tag_name":"rust-v0.168.0"}`)) }), ErrMetadata},
		"another project's": {text(`{"tag_name":"v0.169.0","assets":[]}`), ErrMetadata},
		"no JSON":           {text(`<html>`), ErrMetadata},
		"deep JSON":         {text(strings.Repeat("[", 1<<20)), ErrMetadata},
		"too much":          {text(strings.Repeat(" ", maxMetadata+1)), download.ErrTooBig},
		"a huge header": {answer(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Huge", strings.Repeat("a", 11<<20))
		}), nil},

		"the limit of requests":  {status(403), &download.StatusError{Status: 403}},
		"too many requests":      {status(429), &download.StatusError{Status: 429}},
		"no such release":        {status(404), &download.StatusError{Status: 404}},
		"a broken server":        {status(500), &download.StatusError{Status: 500}},
		"a login page":           {redirect("http://example.test/"), download.ErrRedirect},
		"a way round":            {redirect("/download/again"), download.ErrRedirect},
		"a redirect to a file":   {redirect("file:///etc/passwd"), download.ErrRedirect},
		"a forbidden archive":    {onDownload(func(_ *rig, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }), &download.StatusError{Status: 403}},
		"a connection that ends": {onDownload(func(*rig, http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), nil},
		"nobody there":           {func(r *rig) { r.server.Close() }, nil},
		"a server without TLS":   {func(r *rig) { r.installer.Releases = "http://example.test/releases" }, ErrUnsafe},
		"a server with password": {func(r *rig) { r.installer.Releases = "https://u:p@127.0.0.1/releases" }, ErrUnsafe},
		"no server":              {func(r *rig) { r.installer.Releases = "::" }, ErrUnsafe},
		"another platform":       {func(r *rig) { r.installer.GOARCH = "riscv64" }, ErrPlatform},
		"another system":         {func(r *rig) { r.installer.GOOS = "plan9" }, ErrPlatform},
	} {
		r := newRig(t)
		if _, err := r.installer.Install(t.Context(), "0.168.0"); err != nil {
			t.Fatal(err)
		}
		c.edit(r)
		got, err := r.installer.Install(t.Context(), version)
		wantStatus, isStatus := errors.AsType[*download.StatusError](c.want)
		gotStatus, hasStatus := errors.AsType[*download.StatusError](err)
		switch {
		case err == nil || got != Copy{}:
			t.Errorf("%s: got %+v, %v", name, got, err)
		case isStatus:
			if !hasStatus || gotStatus.Status != wantStatus.Status {
				t.Errorf("%s: got %v, want %v", name, err, c.want)
			}
		case c.want != nil && !errors.Is(err, c.want):
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
		r.wantCopies("0.168.0")
		if _, err := os.Stat(marker); err == nil {
			t.Fatalf("%s: it was executed", name)
		}
		r.server.Close()
	}
}

func flipped(archive []byte) []byte {
	other := append([]byte{}, archive...)
	other[len(other)/2] ^= 1
	return other
}

func TestInstallRefusesWhatIsNoVersion(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, version := range []string{"", "..", "../0.169.0", "0.169.0/../..", "newest", "0.169"} {
		if _, err := r.installer.Install(t.Context(), version); !errors.Is(err, ErrVersion) {
			t.Errorf("%q: got %v, want ErrVersion", version, err)
		}
	}
	if _, err := os.Stat(r.root); !errors.Is(err, os.ErrNotExist) || r.asked.Load() != 0 {
		t.Errorf("got %v, %d requests, want nothing", err, r.asked.Load())
	}
}

func TestTheLatestMayBeNoPath(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.answers(func(w http.ResponseWriter, _ *http.Request) { r.describe(w, "rust-v../../x") })
	if _, err := r.installer.Install(t.Context(), Latest); !errors.Is(err, ErrMetadata) {
		t.Errorf("got %v, want ErrMetadata", err)
	}
	r.wantCopies()
}

func TestTheArchiveMayBeElsewhere(t *testing.T) {
	t.Parallel()
	r, other := newRig(t), newRig(t)
	r.answers(func(w http.ResponseWriter, q *http.Request) {
		if strings.HasPrefix(q.URL.Path, "/download/") {
			http.Redirect(w, q, other.asset("0.169.0").URL, http.StatusFound)
			return
		}
		r.describe(w, "rust-v0.169.0", r.asset("0.169.0"))
	})
	if got, err := r.installer.Install(t.Context(), "0.169.0"); err != nil || got.Version != "0.169.0" {
		t.Errorf("got %+v, %v", got, err)
	}
	r.wantCopies("0.169.0")
}

func TestMoreThanAllowedIsNotUnpacked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for goos, archive := range map[string][]byte{
		"linux":   tarball(member{name: "codex", text: strings.Repeat("a", 1000)}),
		"windows": zipfile(member{name: "codex.exe", text: strings.Repeat("a", 600)}, member{name: "codex-command-runner.exe", text: strings.Repeat("a", 400)}),
	} {
		path := filepath.Join(dir, goos)
		if err := os.WriteFile(path, archive, 0o600); err != nil {
			t.Fatal(err)
		}
		for limit, want := range map[int64]error{1000: nil, 999: ErrArchive, 100: ErrArchive} {
			file, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			var most int64
			err = unpack(file, goos, "t", limit, func(_ string, content io.Reader) error {
				counted := &source{from: content}
				buffer := make([]byte, 100)
				for {
					if _, err := counted.Read(buffer); err != nil {
						most += counted.read
						return counted.err
					}
				}
			})
			if !errors.Is(err, want) || most > limit+1 {
				t.Errorf("%s, %d bytes: got %v and %d bytes, want %v", goos, limit, err, most, want)
			}
			_ = file.Close()
		}
	}
}

func TestInstallOnWindows(t *testing.T) {
	t.Parallel()
	main := member{name: "codex-" + windowsTarget + ".exe", text: codex("0.169.0")}
	runner := member{name: "codex-command-runner.exe", text: "runner"}
	setup := member{name: "codex-windows-sandbox-setup.exe", text: "setup"}
	for name, c := range map[string]struct {
		archive []byte
		want    error
		files   int
	}{
		"alone":        {zipfile(main), nil, 1},
		"with helpers": {zipfile(runner, setup, main), nil, 3},
		"helpers only": {zipfile(runner, setup), ErrArchive, 0},
		"a stranger":   {zipfile(main, member{name: "codex-evil.exe", text: "x"}), ErrArchive, 0},
		"a way up":     {zipfile(main, member{name: `..\codex-command-runner.exe`, text: "x"}), ErrArchive, 0},
		"a link":       {zipfile(member{name: "codex.exe", text: "/bin/sh", kind: tar.TypeSymlink}), ErrArchive, 0},
		"twice":        {zipfile(main, member{name: "codex.exe", text: codex("0.169.0")}), ErrArchive, 0},
		"no archive":   {[]byte("MZ"), ErrArchive, 0},
		"another":      {zipfile(member{name: "codex.exe", text: codex("0.168.0")}), ErrWrongProgram, 0},
	} {
		r := newRig(t)
		r.installer.GOOS, r.installer.GOARCH = "windows", "arm64"
		r.release("0.169.0", c.archive)
		got, err := r.installer.Install(t.Context(), "0.169.0")
		if !errors.Is(err, c.want) || c.want == nil && got.Path != filepath.Join(r.root, "0.169.0", "codex.exe") {
			t.Errorf("%s: got %+v, %v, want %v", name, got, err, c.want)
		}
		if copies := Copies(r.root, "windows"); (len(copies) == 1) != (c.want == nil) {
			t.Errorf("%s: got %v", name, copies)
		}
		found := 0
		_ = filepath.WalkDir(r.root, func(_ string, entry os.DirEntry, err error) error {
			if err == nil && !entry.IsDir() {
				found++
			}
			return err
		})
		if found != c.files {
			t.Errorf("%s: got %d files, want %d", name, found, c.files)
		}
	}
}

func TestArchiveNames(t *testing.T) {
	t.Parallel()
	for platform, want := range map[string]string{
		"linux/amd64": "codex-x86_64-unknown-linux-musl.tar.gz", "linux/arm64": "codex-aarch64-unknown-linux-musl.tar.gz",
		"darwin/amd64": "codex-x86_64-apple-darwin.tar.gz", "darwin/arm64": "codex-aarch64-apple-darwin.tar.gz",
		"windows/amd64": "codex-x86_64-pc-windows-msvc.exe.zip", "windows/arm64": "codex-aarch64-pc-windows-msvc.exe.zip",
	} {
		goos, goarch, _ := strings.Cut(platform, "/")
		target, err := targetOf(goos, goarch)
		if got := archiveName(goos, target); got != want || err != nil {
			t.Errorf("%s: got %s, %v, want %s", platform, got, err, want)
		}
	}
}

func TestInstallWithoutRights(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r.installer.Root = filepath.Join(file, "codex") // below a file nobody may make a directory
	if _, err := r.installer.Install(t.Context(), "0.169.0"); err == nil || r.asked.Load() != 0 {
		t.Errorf("got %v, %d requests", err, r.asked.Load())
	}
}

func TestInstallKilledAtEveryStep(t *testing.T) {
	t.Parallel()
	for step := 1; ; step++ {
		r := newRig(t)
		j := r.job("0.169.0")
		j.KillAt = step
		out, err := j.start(t).Output()
		for _, c := range Copies(r.root, "linux") { // what is there is whole
			if said, err := program.Ask(t.Context(), c.Path, "--version", time.Minute); said != "codex-cli 0.169.0" {
				t.Errorf("after step %d: it says %q, %v", step, said, err)
			}
		}
		if err == nil {
			if !strings.HasSuffix(string(out), "<nil>\n") {
				t.Errorf("step %d: got %q", step, out)
			}
			r.wantCopies("0.169.0")
			if step < 9 {
				t.Errorf("got %d steps, which are too few to have tried all", step)
			}
			return
		}
		// Another version, so that nothing but the next run's care removes what is left.
		if _, err := r.installer.Install(t.Context(), "0.168.0"); err != nil {
			t.Errorf("after step %d: %v", step, err)
		}
		if len(Copies(r.root, "linux")) == 2 {
			r.wantCopies("0.169.0", "0.168.0")
		} else {
			r.wantCopies("0.168.0")
		}
	}
}

func TestTwentyInstallOnce(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"0.169.0", Latest} {
		r := newRig(t)
		var wg sync.WaitGroup
		for range 20 {
			cmd := r.job(version).start(t)
			wg.Go(func() {
				if out, err := cmd.Output(); err != nil || !strings.HasSuffix(string(out), "/0.169.0/codex} <nil>\n") {
					t.Errorf("%s: got %q, %v", version, out, err)
				}
			})
		}
		wg.Wait()
		if got := r.downloads.Load(); got != 1 {
			t.Errorf("%s: got %d downloads, want 1", version, got)
		}
		r.wantCopies("0.169.0")
	}
}

func TestWaitingForAnotherInstallationEnds(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if err := files.MakeDir(r.root); err != nil {
		t.Fatal(err)
	}
	unlock, err := program.TryLock(filepath.Join(r.root, ".lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := r.installer.Install(ctx, "0.169.0"); !errors.Is(err, program.ErrBusy) {
		t.Errorf("got %v, want ErrBusy", err)
	}
}

// waiting tells when somebody begins to wait for a context.
type waiting struct {
	context.Context //nolint:containedctx // it is a context
	begun           func()
}

func (w waiting) Done() <-chan struct{} {
	w.begun()
	return w.Context.Done()
}

// Twenty first starts ask GitHub, which counts, once.
func TestWhoWaitsForTheLatestTakesWhatCame(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	lay(t, r.root, map[string]string{"0.160.0/codex": codex("0.160.0")})
	unlock, err := program.TryLock(filepath.Join(r.root, ".lock"))
	if err != nil {
		t.Fatal(err)
	}
	begun := make(chan struct{})
	go func() {
		<-begun
		lay(t, r.root, map[string]string{"0.168.0/codex": codex("0.168.0")})
		unlock()
	}()
	got, err := r.installer.Install(waiting{t.Context(), sync.OnceFunc(func() { close(begun) })}, Latest)
	if err != nil || got.Version != "0.168.0" || r.asked.Load() != 0 {
		t.Errorf("got %+v, %v and %d requests, want what came and none", got, err, r.asked.Load())
	}
}

func TestPrune(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	now := time.Now()
	for version, age := range map[string]time.Duration{
		"0.165.0": 5 * time.Hour, "0.166.0": 4 * time.Hour, "0.167.0": 3 * time.Hour, "0.168.0": 2 * time.Hour, "0.160.0": time.Minute,
	} {
		lay(t, r.root, map[string]string{version + "/codex": codex(version), version + "/helper": ""})
		if err := os.Chtimes(filepath.Join(r.root, version, "codex"), now, now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	lay(t, r.root, map[string]string{"notes/of/the/user": "x", "0.1.0/unfinished": "x", removedMark + "0.2.0/codex": "x"})
	removeUnfinished(r.root, "linux")
	prune(r.root, "linux", now)
	entries, _ := os.ReadDir(r.root)
	var got []string
	for _, entry := range entries {
		got = append(got, entry.Name())
	}
	if want := "0.160.0 0.167.0 0.168.0 notes"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
	for _, version := range []string{"0.169.0", "0.170.0", "0.171.0"} {
		lay(t, r.root, map[string]string{version + "/codex": codex(version)})
	}
	prune(r.root, "linux", now)
	if got := len(Copies(r.root, "linux")); got != 4 {
		t.Errorf("got %d copies, want the three newest and the one that is younger than an hour", got)
	}
}
