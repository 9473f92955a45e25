package api

import (
	"encoding/json"
	"strings"
)

// FlexBool is a boolean as the reference's admin API takes it: a JSON boolean, 0 or 1, or one of the strings
// 1, true, yes, on, 0, false, no, off in any case. The zero value is "absent".
type FlexBool struct {
	Present bool // the member was there, maybe null
	Set     bool // the member was there and not null
	Value   bool
	Invalid bool // it was there and is no boolean: answer 422 naming the field
}

// Or returns the value, or fallback when the member was absent or null.
func (b FlexBool) Or(fallback bool) bool {
	if b.Set {
		return b.Value
	}
	return fallback
}

// UnmarshalJSON implements json.Unmarshaler. It never fails: Invalid lets the surface name the field.
func (b *FlexBool) UnmarshalJSON(raw []byte) error {
	text := string(raw)
	if text == "null" {
		*b = FlexBool{Present: true}
		return nil
	}
	if strings.HasPrefix(text, `"`) {
		if err := json.Unmarshal(raw, &text); err != nil {
			return err
		}
		text = strings.ToLower(strings.TrimSpace(text))
	}
	switch text {
	case "1", "true", "yes", "on":
		*b = FlexBool{Present: true, Set: true, Value: true}
	case "0", "false", "no", "off":
		*b = FlexBool{Present: true, Set: true}
	default:
		*b = FlexBool{Present: true, Set: true, Invalid: true}
	}
	return nil
}
