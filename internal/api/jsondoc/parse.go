package jsondoc

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
)

// Parse reads one JSON value with the limits of Check.
//
// Errors: ErrSyntax, ErrTooLarge, ErrNotCanonical. Text that is wrong in two ways is ErrSyntax.
func Parse(text []byte) (Value, error) {
	if err := Check(text); err != nil {
		return nil, err
	}
	b := builder{text: text}
	v := b.value()
	if b.problem != nil {
		return nil, b.problem
	}
	return v, nil
}

// builder turns text that has passed Check into values, which is why it may index without looking.
type builder struct {
	text    []byte
	at      int
	problem error // the first ErrNotCanonical
}

func (b *builder) reject(problem string) {
	if b.problem == nil {
		b.problem = fmt.Errorf("%w: %s at byte %d", ErrNotCanonical, problem, b.at)
	}
}

// token skips white space and returns the byte behind it.
func (b *builder) token() byte {
	for {
		switch c := b.text[b.at]; c {
		case ' ', '\t', '\n', '\r':
			b.at++
		default:
			return c
		}
	}
}

func (b *builder) value() Value {
	switch b.token() {
	case '{':
		return b.object()
	case '[':
		return b.list()
	case '"':
		return b.string()
	case 't':
		b.at += len("true")
		return true
	case 'f':
		b.at += len("false")
		return false
	case 'n':
		b.at += len("null")
		return nil
	default:
		return b.number()
	}
}

func (b *builder) object() *Object {
	o := &Object{}
	b.at++
	for b.token() != '}' {
		name := b.string()
		b.token()
		b.at++ // the colon
		o.Set(name, b.value())
		if b.token() == ',' {
			b.at++
			b.token()
		}
	}
	b.at++
	return o
}

func (b *builder) list() []Value {
	list := []Value{}
	b.at++
	for b.token() != ']' {
		list = append(list, b.value())
		if b.token() == ',' {
			b.at++
		}
	}
	b.at++
	return list
}

func (b *builder) string() string {
	b.at++
	start := b.at
	for b.text[b.at] != '"' {
		if b.text[b.at] == '\\' {
			return b.escapedString(start)
		}
		b.at++
	}
	b.at++
	return string(b.text[start : b.at-1])
}

// escapedString goes on with a string that began at start, from its first backslash.
func (b *builder) escapedString(start int) string {
	var out strings.Builder
	out.Write(b.text[start:b.at])
	for {
		switch c := b.text[b.at]; c {
		case '"':
			b.at++
			return out.String()
		case '\\':
			out.WriteRune(b.escape())
		default:
			out.WriteByte(c)
			b.at++
		}
	}
}

func (b *builder) escape() rune {
	kind := b.text[b.at+1]
	if kind != 'u' {
		b.at += 2
		if i := strings.IndexByte("bfnrt", kind); i >= 0 {
			return rune("\b\f\n\r\t"[i])
		}
		return rune(kind) // quote, backslash, slash
	}
	first := b.hex()
	if !utf16.IsSurrogate(first) {
		return first
	}
	if b.text[b.at] == '\\' && b.text[b.at+1] == 'u' {
		before := b.at
		if pair := utf16.DecodeRune(first, b.hex()); pair != '\uFFFD' {
			return pair
		}
		b.at = before
	}
	b.reject("half of a surrogate pair")
	return '\uFFFD'
}

// hex reads \uXXXX.
func (b *builder) hex() rune {
	r, _ := strconv.ParseUint(string(b.text[b.at+2:b.at+6]), 16, 16)
	b.at += 6
	return rune(r)
}

func (b *builder) number() Number {
	start, integer := b.at, true
	for b.at < len(b.text) && strings.IndexByte("+-.eE0123456789", b.text[b.at]) >= 0 {
		integer = integer && (isDigit(b.text[b.at]) || b.text[b.at] == '-')
		b.at++
	}
	text := string(b.text[start:b.at])
	if integer {
		if text == "-0" {
			text = "0"
		}
		if len(strings.TrimPrefix(text, "-")) > MaxIntegerDigits {
			b.reject(fmt.Sprintf("an integer of more than %d digits", MaxIntegerDigits))
		}
		return Number{text}
	}
	f, _ := strconv.ParseFloat(text, 64) // the syntax is known to be good, and an overflow shows as an infinity
	if math.IsInf(f, 0) {
		b.reject("a number beyond the range of a double")
	}
	return Number{floatText(f)}
}

// floatText spells f as Python's repr does: the shortest digits that read back as f, with an exponent when the decimal
// point would stand more than 16 digits to the right or 4 zeros to the left of the first one.
func floatText(f float64) string {
	scientific := strconv.FormatFloat(f, 'e', -1, 64)
	exponent, _ := strconv.Atoi(scientific[strings.IndexByte(scientific, 'e')+1:])
	if exponent < -4 || exponent > 15 {
		return scientific
	}
	text := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}
