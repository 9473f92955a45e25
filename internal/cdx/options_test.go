package cdx

import (
	"slices"
	"strings"
	"testing"
)

func TestLeadingOptions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args, rest string // words
		want       options
		misused    bool
	}{
		{"", "", options{}, false},
		{"--silent", "", options{silent: true}, false},
		{"--debug exec x", "exec x", options{debug: true}, false},
		{"--verbose --silent -W", "-W", options{silent: true, debug: true}, false},
		{"--color never status", "status", options{colour: "never"}, false},
		{"--color=always --silent", "", options{silent: true, colour: "always"}, false},
		{"--color", "--color", options{}, true},
		{"--color= exec", "--color= exec", options{}, true},
		{"--color pink", "--color pink", options{}, true},
		{"--colors", "--colors", options{}, false},
		// What is not at the very beginning is not ours.
		{"exec --color never --silent", "exec --color never --silent", options{}, false},
		{"-m o3 --debug", "-m o3 --debug", options{}, false},
		{"-- --silent", "-- --silent", options{}, false},
		{"--silent -- --silent", "-- --silent", options{silent: true}, false},
	} {
		got, rest, misuse := leadingOptions(strings.Fields(c.args))
		if got != c.want || !slices.Equal(rest, strings.Fields(c.rest)) || (misuse != "") != c.misused {
			t.Errorf("cdx %s: got %+v, %q, %q", c.args, got, rest, misuse)
		}
	}
}
