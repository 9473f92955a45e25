package access_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cdxgate/cdxgate/internal/access"
)

// The table of docs/security.md says what the code says: what each role may beyond the one before it.
func TestRolesAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	var before []access.Capability
	for _, role := range access.Roles {
		row := regexp.MustCompile("(?m)^\\| `" + string(role) + "` \\| (.*) \\|$").FindSubmatch(text)
		if row == nil {
			t.Errorf("there is no row for %s", role)
			continue
		}
		var want []string
		for _, capability := range role.Capabilities() {
			if !slices.Contains(before, capability) {
				want = append(want, "`"+string(capability)+"`")
			}
		}
		got := strings.Fields(string(row[1]))
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", role, got, want)
		}
		before = role.Capabilities()
	}
}
