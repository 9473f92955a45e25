package screen

import (
	"strings"
	"testing"
)

func TestClean(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                          "",
		"ops@laptop":                "ops@laptop",
		"é日本👍":                      "é日本👍",
		"a\x1b[2Jb":                 "a�[2Jb",
		"a\u009b2Jb":                "a�2Jb",
		"a\r\nb\tc\x00\x7f":         "a��b�c��",
		"a\u2028b\u2029c":           "a�b�c",
		"\u202egpj.exe\u202c":       "�gpj.exe�",
		"\u2066x\u2069\u061c\u200e": "�x���",
		"a\xffb":                    "a�b",
	} {
		if got := Clean(in); got != want {
			t.Errorf("Clean(%q) is %q, want %q", in, got, want)
		}
	}
}

func TestCells(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"": 0, "abc": 3, "é": 1, "e\u0301": 1, "日本": 4, "█▒░": 3, "✓": 1, "…": 1, "“x”": 3, "ﾊﾝ": 2, "👍": 2, "한글": 4,
	} {
		if got := Cells(text); got != want {
			t.Errorf("Cells(%q) is %d, want %d", text, got, want)
		}
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text  string
		cells int
		want  string
	}{
		{"falcon", 6, "falcon"},
		{"falcon", 5, "falc…"},
		{"a falcon", 3, "a…"},
		{"falcon", 1, "…"},
		{"falcon", 0, ""},
		{"falcon", -1, ""},
		{"", 0, ""},
		{"日本語", 6, "日本語"},
		{"日本語", 5, "日本…"},
		{"日本語", 4, "日…"},
		{"cafe\u0301s", 5, "cafe\u0301s"},
		{"cafe\u0301s!", 5, "cafe\u0301…"},
	} {
		if got := Cut(c.text, c.cells); got != c.want {
			t.Errorf("Cut(%q, %d) is %q, want %q", c.text, c.cells, got, c.want)
		}
	}
	tower := Cut("a"+strings.Repeat("\u0301", 10_000), 10)
	if len(tower) > 200 {
		t.Errorf("a letter with 10,000 accents is cut to %d bytes", len(tower))
	}
}
