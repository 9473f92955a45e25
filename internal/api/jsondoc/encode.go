package jsondoc

import "fmt"

// Encode returns the canonical form of v. It panics on a value that is none of those listed at Value, which only a
// mistake in our own code can make.
func Encode(v Value) []byte { return appendValue(nil, v) }

func appendValue(out []byte, v Value) []byte {
	switch v := v.(type) {
	case nil:
		return append(out, "null"...)
	case bool:
		if v {
			return append(out, "true"...)
		}
		return append(out, "false"...)
	case Number:
		return append(out, v.String()...)
	case string:
		return appendString(out, v)
	case []Value:
		out = append(out, '[')
		for i, element := range v {
			if i > 0 {
				out = append(out, ',')
			}
			out = appendValue(out, element)
		}
		return append(out, ']')
	case *Object:
		out = append(out, '{')
		for i := range v.Len() {
			if i > 0 {
				out = append(out, ',')
			}
			out = append(appendString(out, v.members[i].name), ':')
			out = appendValue(out, v.members[i].value)
		}
		return append(out, '}')
	default:
		panic(fmt.Sprintf("jsondoc: %T is not a Value", v))
	}
}

const hexDigits = "0123456789abcdef"

// appendString escapes the quote, the backslash and control bytes below 0x20. Everything else is raw, U+2028 and 0x7f
// included.
func appendString(out []byte, text string) []byte {
	out = append(out, '"')
	for i := range len(text) {
		switch c := text[i]; c {
		case '"', '\\':
			out = append(out, '\\', c)
		case '\b':
			out = append(out, `\b`...)
		case '\f':
			out = append(out, `\f`...)
		case '\n':
			out = append(out, `\n`...)
		case '\r':
			out = append(out, `\r`...)
		case '\t':
			out = append(out, `\t`...)
		default:
			if c < 0x20 {
				out = append(out, `\u00`...)
				out = append(out, hexDigits[c>>4], hexDigits[c&0xf])
				continue
			}
			out = append(out, c)
		}
	}
	return append(out, '"')
}
