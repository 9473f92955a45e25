package seal_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/cdxgate/cdxgate/internal/seal"
)

// However it is printed, nothing of it is seen.
func TestASecretIsNotPrinted(t *testing.T) {
	t.Parallel()
	secret := seal.Secret("planted")
	type holder struct{ Token seal.Secret }
	var logged bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&logged, nil), slog.NewJSONHandler(&logged, nil)} {
		slog.New(handler).Info("x", "token", secret, "holder", holder{secret})
	}
	text, err := json.Marshal(map[string]any{"token": secret, "holder": holder{secret}})
	if err != nil {
		t.Fatal(err)
	}
	said := []string{logged.String(), string(text)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%20s"} {
		said = append(said, fmt.Sprintf(verb, secret), fmt.Sprintf(verb, holder{secret}))
	}
	for _, s := range said {
		if strings.Contains(s, "planted") || strings.Contains(s, "706c616e746564") || strings.Contains(s, "cGxhbnRlZA") || strings.Contains(s, "112 108") || !strings.Contains(s, "[redacted]") {
			t.Errorf("got %s", s)
		}
	}
	if string(secret) != "planted" {
		t.Error("got nothing out of it on purpose")
	}
}
