package jsondoc

import (
	"fmt"
	"unicode/utf8"
)

// Check reports whether text is one JSON value: RFC 8259 to the letter, valid UTF-8, at most MaxBytes long and
// MaxDepth deep. It reads the text once and builds nothing, so it is fit for callers nobody has authenticated yet.
//
// Errors: ErrSyntax, ErrTooLarge.
func Check(text []byte) error {
	if len(text) > MaxBytes {
		return ErrTooLarge
	}
	s := scanner{text: text}
	s.space()
	if err := s.value(0); err != nil {
		return err
	}
	s.space()
	if s.at < len(text) {
		return s.wrong("something follows the value")
	}
	return nil
}

// scanner walks over JSON. Each method expects at on the first byte of what it is named after and leaves it behind.
type scanner struct {
	text []byte
	at   int
}

func (s *scanner) wrong(problem string) error {
	return fmt.Errorf("%w: %s at byte %d", ErrSyntax, problem, s.at)
}

// peek returns the next byte, or 0 at the end; a NUL byte is nowhere valid, so the two need no telling apart.
func (s *scanner) peek() byte {
	if s.at < len(s.text) {
		return s.text[s.at]
	}
	return 0
}

func (s *scanner) space() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return
		}
	}
}

// value expects a value inside depth lists and objects.
func (s *scanner) value(depth int) error {
	switch c := s.peek(); {
	case c == '{' || c == '[':
		if depth == MaxDepth {
			return s.wrong(fmt.Sprintf("more than %d lists and objects inside each other", MaxDepth))
		}
		if c == '{' {
			return s.object(depth + 1)
		}
		return s.list(depth + 1)
	case c == '"':
		return s.string()
	case c == '-' || isDigit(c):
		return s.number()
	case c == 't':
		return s.literal("true")
	case c == 'f':
		return s.literal("false")
	case c == 'n':
		return s.literal("null")
	}
	return s.wrong("no value")
}

func (s *scanner) object(depth int) error {
	s.at++
	s.space()
	if s.peek() == '}' {
		s.at++
		return nil
	}
	for {
		if s.peek() != '"' {
			return s.wrong("no member name")
		}
		if err := s.string(); err != nil {
			return err
		}
		s.space()
		if s.peek() != ':' {
			return s.wrong("no colon")
		}
		s.at++
		s.space()
		if err := s.value(depth); err != nil {
			return err
		}
		if done, err := s.next('}'); done || err != nil {
			return err
		}
	}
}

func (s *scanner) list(depth int) error {
	s.at++
	s.space()
	if s.peek() == ']' {
		s.at++
		return nil
	}
	for {
		if err := s.value(depth); err != nil {
			return err
		}
		if done, err := s.next(']'); done || err != nil {
			return err
		}
	}
}

// next expects a comma, after which another element must follow, or the closing bracket.
func (s *scanner) next(closing byte) (done bool, err error) {
	s.space()
	switch s.peek() {
	case closing:
		s.at++
		return true, nil
	case ',':
		s.at++
		s.space()
		return false, nil
	}
	return false, s.wrong("neither comma nor closing bracket")
}

func (s *scanner) string() error {
	s.at++
	start, ascii := s.at, true
	for s.at < len(s.text) {
		switch c := s.text[s.at]; {
		case c == '"':
			if !ascii && !utf8.Valid(s.text[start:s.at]) {
				return s.wrong("a string is not UTF-8")
			}
			s.at++
			return nil
		case c == '\\':
			if err := s.escape(); err != nil {
				return err
			}
		case c < 0x20:
			return s.wrong("a raw control character in a string")
		default:
			ascii = ascii && c < utf8.RuneSelf
			s.at++
		}
	}
	return s.wrong("a string has no end")
}

func (s *scanner) escape() error {
	s.at++
	switch s.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.at++
		return nil
	case 'u':
		s.at++
		for range 4 {
			if !isHex(s.peek()) {
				return s.wrong("no hex digit in an escape")
			}
			s.at++
		}
		return nil
	}
	return s.wrong("an unknown escape")
}

func (s *scanner) number() error {
	if s.peek() == '-' {
		s.at++
	}
	if s.peek() == '0' {
		s.at++ // nothing but a fraction or an exponent may follow a leading zero
	} else if err := s.digits(); err != nil {
		return err
	}
	if s.peek() == '.' {
		s.at++
		if err := s.digits(); err != nil {
			return err
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.at++
		if c := s.peek(); c == '+' || c == '-' {
			s.at++
		}
		return s.digits()
	}
	return nil
}

// digits expects at least one.
func (s *scanner) digits() error {
	if !isDigit(s.peek()) {
		return s.wrong("no digit in a number")
	}
	for isDigit(s.peek()) {
		s.at++
	}
	return nil
}

func (s *scanner) literal(word string) error {
	if rest := s.text[s.at:]; len(rest) < len(word) || string(rest[:len(word)]) != word {
		return s.wrong("no value")
	}
	s.at += len(word)
	return nil
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isHex(c byte) bool { return isDigit(c) || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F' }
