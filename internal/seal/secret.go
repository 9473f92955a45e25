package seal

import (
	"fmt"
	"io"
	"log/slog"
)

// Secret is something that was sealed and is open now. It prints as [redacted] whatever the verb, in logs and in JSON;
// convert it to a string to use it.
type Secret []byte

const redacted = "[redacted]"

// Format implements fmt.Formatter.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON implements json.Marshaler.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
