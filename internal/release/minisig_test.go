package release

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"aead.dev/minisign"
)

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func generate(t *testing.T) (Key, minisign.PrivateKey) {
	t.Helper()
	public, private, err := minisign.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ParseKey(public.String())
	if err != nil {
		t.Fatalf("ParseKey of %s: %v", public, err)
	}
	return key, private
}

// signHashed is what minisign -Sm FILE -t COMMENT makes.
func signHashed(key minisign.PrivateKey, build []byte, comment string) []byte {
	hashed := minisign.NewReader(bytes.NewReader(build))
	_, _ = io.Copy(io.Discard, hashed)
	return hashed.SignWithComments(key, comment, "signature from minisign secret key")
}

func TestParseKey(t *testing.T) {
	t.Parallel()
	key, _ := generate(t)
	good := key.public.String()
	for name, text := range map[string]string{
		"empty": "", "cut": good[:len(good)-4], "longer": good + "AAAA", "a line end": good + "\n", "two lines": "untrusted comment: x\n" + good,
		"not base64": strings.Repeat("!", len(good)), "another algorithm": "AA" + good[2:], "blanks": " " + good, "a path": "/etc/cdxgate/release.pub",
	} {
		if _, err := ParseKey(text); err == nil {
			t.Errorf("%s: %q is taken for a key", name, text)
		}
	}
}

func TestMinisig(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	clients := NewClients(dir)
	path := filepath.Join(dir, "cdx-linux-amd64")
	if _, err := clients.Minisig("cdx-linux-amd64"); !errors.Is(err, ErrNoClient) {
		t.Errorf("without a build: got %v, want ErrNoClient", err)
	}
	write(t, path, []byte("abc"))
	if _, err := clients.Minisig("cdx-linux-amd64"); !errors.Is(err, ErrNoMinisig) {
		t.Errorf("without a file: got %v, want ErrNoMinisig", err)
	}
	for _, size := range []int{0, 300, maxMinisig, maxMinisig + 1, 1 << 20} {
		write(t, path+".minisig", bytes.Repeat([]byte("x"), size))
		text, err := clients.Minisig("cdx-linux-amd64")
		if (err == nil) != (size <= maxMinisig) || err == nil && len(text) != size {
			t.Errorf("%d bytes: got %d, %v", size, len(text), err)
		}
	}
	if err := os.Remove(path + ".minisig"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path+".minisig", 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := clients.Minisig("cdx-linux-amd64"); err == nil || errors.Is(err, ErrNoMinisig) {
		t.Errorf("a directory: got %v, want why it cannot be read", err)
	}
}

func TestUnfits(t *testing.T) {
	t.Parallel()
	const comment = "cdx 1.4.0 linux-amd64"
	build := []byte("a build")
	key, private := generate(t)
	_, other := generate(t)
	good := signHashed(private, build, comment)
	for name, c := range map[string]struct {
		minisig []byte // nil: no file
		reason  string // "": it fits
	}{
		"signed":              {good, ""},
		"not signed":          {nil, "no minisign signature"},
		"empty":               {[]byte{}, "no minisign signature"},
		"nonsense":            {[]byte("a\nb\nc\nd\n"), "no minisign signature"},
		"by another key":      {signHashed(other, build, comment), "not by client_release_key"},
		"of another file":     {signHashed(private, []byte("a Build"), comment), "not this file's"},
		"of another version":  {signHashed(private, build, "cdx 1.3.0 linux-amd64"), `"cdx 1.3.0 linux-amd64"; want "cdx 1.4.0 linux-amd64"`},
		"of another platform": {signHashed(private, build, "cdx 1.4.0 linux-arm64"), "trusted comment"},
		"comment with more":   {signHashed(private, build, comment+" "), "trusted comment"},
		"comment exchanged":   {bytes.Replace(signHashed(private, build, "cdx 1.3.0 linux-amd64"), []byte("1.3.0"), []byte("1.4.0"), 1), "not this file's"},
		"of the old kind":     {minisign.SignWithComments(private, build, comment, "x"), "old kind"},
		"huge":                {bytes.Repeat(good, 20), "more than 4096 bytes"},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "cdx-linux-amd64")
		write(t, path, build)
		if c.minisig != nil {
			write(t, path+".minisig", c.minisig)
		}
		unfits, err := NewClients(dir).Unfits(key, "1.4.0")
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		switch {
		case c.reason == "" && len(unfits) > 0:
			t.Errorf("%s: got %v, want that it fits", name, unfits)
		case c.reason != "" && (len(unfits) != 1 || unfits[0].File != path+".minisig" || !strings.Contains(unfits[0].Reason.Error(), c.reason)):
			t.Errorf("%s: got %v, want %q", name, unfits, c.reason)
		}
	}
	if unfits, err := NewClients(t.TempDir()).Unfits(key, "1.4.0"); err != nil || len(unfits) > 0 {
		t.Errorf("without builds got %v, %v", unfits, err)
	}
}
