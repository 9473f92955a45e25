package fleet_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"github.com/cdxgate/cdxgate/internal/fleet"
)

// secret is what keys and tokens have in common.
type secret interface {
	Reveal() string
	SHA256() []byte
	Prefix() string
}

// checkSecret requires that a secret is text and that nothing that prints it shows more than its prefix.
func checkSecret(t *testing.T, s secret, text string) {
	t.Helper()
	if s.Reveal() != text {
		t.Fatalf("got %q, want %q", s.Reveal(), text)
	}
	if sum := sha256.Sum256([]byte(text)); !bytes.Equal(s.SHA256(), sum[:]) {
		t.Errorf("%q: got SHA-256 %x, want %x", text, s.SHA256(), sum)
	}
	if s.Prefix() != text[:8] {
		t.Errorf("%q: got prefix %q, want %q", text, s.Prefix(), text[:8])
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", s)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", s, "in", []secret{s})
	marshalled, err := json.Marshal(map[string]any{"a": s, "b": []secret{s}, "c": &s, "d": struct{ S secret }{s}})
	if err != nil {
		t.Fatal(err)
	}
	printed := fmt.Sprint(s) + fmt.Sprintln([]secret{s}) + fmt.Sprintf("%v %+v %#v %s %q %x %X %d %t %v", s, s, s, s, s, s, s, s, s, &s)
	for name, output := range map[string]string{"fmt": printed, "slog": log.String(), "json": string(marshalled)} {
		rest := text[8:]
		if strings.Contains(output, rest) || strings.Contains(strings.ToLower(output), fmt.Sprintf("%x", rest)) || !strings.Contains(output, "[redacted]") {
			t.Errorf("%s prints %q as %s", name, text, output)
		}
	}
}

var apiKey = regexp.MustCompile(`^[0-9a-f]{64}$`)

func FuzzParseKey(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		key, ok := fleet.ParseKey(text)
		if ok != apiKey.MatchString(text) {
			t.Fatalf("%q: got %t", text, ok)
		}
		if ok {
			checkSecret(t, key, text)
		} else if key != (fleet.APIKey{}) || key.Reveal() != "" || key.Prefix() != "" {
			t.Errorf("%q: got %q, want no key", text, key.Reveal())
		}
	})
}
