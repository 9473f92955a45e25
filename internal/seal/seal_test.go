package seal

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/quick"
)

const testKeyring = `# test
key 00c0ffee AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=
key deadbeef ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=
active 00c0ffee
`

const (
	vectorBody = "sbox:v2:00c0ffee:QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZX2InKOTcyuSL7PcqYyAjTqulIQhOkrV4juPvpg6I="
	vectorKey  = "sbox:v2:00c0ffee:QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXpeSZYpcanp6pxBuVNOWc/ExKlCI="
)

func mustParse(t *testing.T, text string) *Keyring {
	t.Helper()
	ring, err := Parse([]byte(text))
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	return ring
}

// The vectors pin the format: a build that cannot open them has lost every installation's secrets.
// Made once with nonce 0x40..0x57 from the definition in docs/security.md, by an independent implementation.
func TestVectorsOpen(t *testing.T) {
	t.Parallel()
	ring := mustParse(t, testKeyring)
	for _, v := range []struct {
		at     Place
		sealed string
		plain  string
	}{
		{Place{"generation", "body_sealed", "0190a5c2-7f00-7000-8000-000000000001"}, vectorBody, `{"tokens":{}}`},
		{Place{"install_token", "key_sealed", "0190a5c2-7f00-7000-8000-000000000002"}, vectorKey, "0f3c"},
	} {
		got, err := ring.Open(v.at, v.sealed)
		if err != nil || string(got) != v.plain {
			t.Errorf("Open(%v): got %q, %v, want %q", v.at, got, err, v.plain)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	ring := mustParse(t, testKeyring)
	property := func(plain []byte, table, column, row string) bool {
		at := Place{table, column, row}
		sealed, err := ring.Seal(at, plain)
		if err != nil {
			return false
		}
		got, err := ring.Open(at, sealed)
		return err == nil && string(got) == string(plain) && strings.HasPrefix(sealed, "sbox:v2:00c0ffee:")
	}
	if err := quick.Check(property, nil); err != nil {
		t.Error(err)
	}
}

func TestMovedCiphertextDoesNotOpen(t *testing.T) {
	t.Parallel()
	ring := mustParse(t, testKeyring)
	home := Place{"generation", "body_sealed", "row-1"}
	sealed, err := ring.Seal(home, []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	for name, at := range map[string]Place{
		"another row":      {"generation", "body_sealed", "row-2"},
		"another column":   {"generation", "digest", "row-1"},
		"another table":    {"install_token", "body_sealed", "row-1"},
		"shifted boundary": {"generatio", "nbody_sealed", "row-1"},
		"joined":           {"generationbody_sealed", "", "row-1"},
	} {
		if got, err := ring.Open(at, sealed); !errors.Is(err, ErrTampered) {
			t.Errorf("%s: got %q, %v, want ErrTampered", name, got, err)
		}
	}
}

func TestAlteredValueIsRefused(t *testing.T) {
	t.Parallel()
	ring := mustParse(t, testKeyring)
	at := Place{"a", "b", "c"}
	sealed, err := ring.Seal(at, []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	encoded := strings.TrimPrefix(sealed, "sbox:v2:00c0ffee:")
	box, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	for i := range box {
		bent := append([]byte(nil), box...)
		bent[i] ^= 1
		if _, err := ring.Open(at, "sbox:v2:00c0ffee:"+base64.StdEncoding.EncodeToString(bent)); !errors.Is(err, ErrTampered) {
			t.Fatalf("bit flipped in byte %d: got %v, want ErrTampered", i, err)
		}
	}
	for name, c := range map[string]struct {
		value string
		want  error
	}{
		"empty":             {"", ErrFormat},
		"plain text":        {"secret", ErrFormat},
		"old version":       {"sbox:v1:" + encoded, ErrFormat},
		"no key id":         {"sbox:v2:" + encoded, ErrFormat},
		"odd key id":        {"sbox:v2:00C0FFEE:" + encoded, ErrFormat},
		"unknown key":       {"sbox:v2:01020304:" + encoded, ErrUnknownKey},
		"other known key":   {"sbox:v2:deadbeef:" + encoded, ErrTampered},
		"cut":               {sealed[:len(sealed)-8], ErrTampered},
		"shorter than none": {"sbox:v2:00c0ffee:AAAA", ErrFormat},
		"not base64":        {"sbox:v2:00c0ffee:!!!!", ErrFormat},
		"trailing newline":  {sealed + "\n", ErrFormat},
	} {
		if _, err := ring.Open(at, c.value); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

func TestKeyringPrintsRedacted(t *testing.T) {
	t.Parallel()
	ring := mustParse(t, testKeyring)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		for _, value := range []any{ring, ring.keys["00c0ffee"], *ring.keys["00c0ffee"], struct{ K *Keyring }{ring}} {
			if text := fmt.Sprintf(verb, value); strings.Contains(text, "AAECAw") || strings.Contains(text, "000102") || strings.Contains(text, "0 1 2 3") {
				t.Errorf("%s of %T shows the key: %s", verb, value, text)
			}
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	key := "key 00c0ffee AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
	for name, text := range map[string]string{
		"empty":          "",
		"no active":      key,
		"unknown active": key + "active deadbeef\n",
		"two active":     key + "active 00c0ffee\nactive 00c0ffee\n",
		"same id twice":  key + key + "active 00c0ffee\n",
		"short key":      "key 00c0ffee AAEC\nactive 00c0ffee\n",
		"odd id":         "key COFFEE AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\nactive COFFEE\n",
		"unknown word":   key + "active 00c0ffee\npassive deadbeef\n",
		"huge":           strings.Repeat("#\n", maxKeyringBytes),
	} {
		if _, err := Parse([]byte(text)); err == nil {
			t.Errorf("%s: accepted", name)
		} else if strings.Contains(err.Error(), "AAEC") {
			t.Errorf("%s: the error shows the key: %v", name, err)
		}
	}
}

func TestWriteNeverReplaces(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keyring")
	var won int
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			ring, err := Generate()
			if err != nil {
				t.Error(err)
				return
			}
			switch err := ring.Write(path); {
			case err == nil:
				mu.Lock()
				won++
				mu.Unlock()
			case !errors.Is(err, fs.ErrExist):
				t.Errorf("Write: got %v, want fs.ErrExist", err)
			}
		})
	}
	wg.Wait()
	if won != 1 {
		t.Errorf("got %d winners of 16, want 1", won)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".keyring-*")); len(left) != 0 {
		t.Errorf("temporary files left: %v", left)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got mode %v, %v, want 0600", info.Mode(), err)
	}
	if _, err := Read(path); err != nil {
		t.Errorf("Read: %v", err)
	}
}

func TestReadRefusals(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := Read(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: got %v, want fs.ErrNotExist", err)
	}
	open := filepath.Join(dir, "open")
	if err := os.WriteFile(open, []byte(testKeyring), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(open); err == nil || !strings.Contains(err.Error(), "chmod 0600") {
		t.Errorf("world-readable: got %v, want a hint", err)
	}
}
