package release

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestClients(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "cdx-linux-amd64"), []byte("abc"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "cdx-plan9-amd64"), []byte("not one of ours"), 0o600); err != nil {
		t.Fatal(err)
	}
	clients := NewClients(dir)
	all, err := clients.All()
	if err != nil {
		t.Fatal(err)
	}
	const sumOfABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	if len(all) != 1 || all[0].Platform != "linux-amd64" || all[0].SHA256 != sumOfABC || all[0].Size != 3 {
		t.Errorf("got %+v, want linux-amd64 of 3 bytes", all)
	}
	if missing := clients.Missing(); len(missing) != len(Platforms)-1 {
		t.Errorf("got %v missing, want all but one", missing)
	}
	file, _, err := clients.Open("cdx-linux-amd64")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	if body, _ := io.ReadAll(file); string(body) != "abc" {
		t.Errorf("got %q, want abc", body)
	}
	for _, name := range []string{"", "cdx-", "linux-amd64", "cdx-plan9-amd64", "cdx-../cdx-linux-amd64", "cdx-linux-arm64"} {
		if _, _, err := clients.Open(name); !errors.Is(err, ErrNoClient) {
			t.Errorf("Open(%q): got %v, want ErrNoClient", name, err)
		}
	}
}

func TestAReplacedBuildIsHashedAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "cdx-linux-arm64")
	clients := NewClients(filepath.Dir(path))
	var sums []string
	for i, body := range []string{"one", "two!", "six"} {
		if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		moment := time.Unix(1_700_000_000+int64(i), 0)
		if err := os.Chtimes(path, moment, moment); err != nil {
			t.Fatal(err)
		}
		file, client, err := clients.Open("cdx-linux-arm64")
		if err != nil {
			t.Fatal(err)
		}
		_ = file.Close()
		sums = append(sums, client.SHA256)
	}
	if sums[0] == sums[1] || sums[1] == sums[2] || sums[0] == sums[2] {
		t.Errorf("got %v, want three hashes", sums)
	}
}

func TestNoDirectoryMeansNoClients(t *testing.T) {
	t.Parallel()
	clients := NewClients(filepath.Join(t.TempDir(), "none"))
	all, err := clients.All()
	if err != nil || len(all) != 0 || len(clients.Missing()) != len(Platforms) {
		t.Errorf("got %v, %v, missing %v, want none, no error, all missing", all, err, clients.Missing())
	}
}

func TestFindClientDir(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	none := filepath.Join(dir, "none")
	if got := FindClientDir(none, dir); got != dir {
		t.Errorf("got %s, want %s", got, dir)
	}
	if got := FindClientDir(none, none+"2"); got != none+"2" {
		t.Errorf("got %s, want the last", got)
	}
}
