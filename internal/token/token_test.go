package token_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/uuid"

	"github.com/cdxgate/cdxgate/internal/token"
)

func TestMint(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 100 {
		minted, err := token.Mint(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		id, err := uuid.Parse(minted.Reveal())
		if err != nil || id.Version() != 4 || id.Variant() != uuid.RFC4122 || seen[minted.Reveal()] {
			t.Errorf("got %s, %v; want a random UUID of its own", minted.Reveal(), err)
		}
		seen[minted.Reveal()] = true
		if again, ok := token.Parse(minted.Reveal()); !ok || again != minted {
			t.Errorf("got %v, %t when read again", again, ok)
		}
	}
	if _, err := token.Mint(iotest.ErrReader(fmt.Errorf("no entropy"))); err == nil {
		t.Error("got a token without entropy")
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	const good = "0d0f7a52-4b1c-4a8e-9a77-2f3a5b6c7d8e"
	for text, ok := range map[string]bool{
		good: true, strings.ToUpper(good): true, "": false, good[1:]: false, good + "0": false, strings.Repeat("g", 36): false,
		"../../../../etc/passwd.............": false, good[:35] + "'": false, good[:35] + "\n": false, good[:34] + "%2": false,
	} {
		parsed, got := token.Parse(text)
		if got != ok || (ok && parsed.Reveal() != good) {
			t.Errorf("%q: got %q, %t; want %t", text, parsed.Reveal(), got, ok)
		}
	}
}

var uuidLike = regexp.MustCompile(`^[0-9a-fA-F-]{36}$`)

func FuzzParse(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		parsed, ok := token.Parse(text)
		if ok != uuidLike.MatchString(text) {
			t.Fatalf("%q: got %t", text, ok)
		}
		if !ok {
			if parsed != (token.Token{}) || parsed.Reveal() != "" || parsed.Prefix() != "" {
				t.Errorf("%q: got %q, want no token", text, parsed.Reveal())
			}
			return
		}
		lower := strings.ToLower(text)
		sum := sha256.Sum256([]byte(lower))
		if parsed.Reveal() != lower || !bytes.Equal(parsed.SHA256(), sum[:]) || parsed.Prefix() != lower[:8] {
			t.Errorf("%q: got %q, %x, %q", text, parsed.Reveal(), parsed.SHA256(), parsed.Prefix())
		}
		marshalled, err := json.Marshal(map[string]any{"a": parsed, "b": []token.Token{parsed}})
		if err != nil {
			t.Fatal(err)
		}
		printed := fmt.Sprint(parsed, &parsed, []token.Token{parsed}) + fmt.Sprintf("%+v %#v %q %x %d", parsed, parsed, parsed, parsed, parsed)
		for _, output := range []string{printed, string(marshalled)} {
			if strings.Contains(output, lower[8:]) || !strings.Contains(output, "[redacted]") {
				t.Errorf("%q prints as %s", text, output)
			}
		}
	})
}
