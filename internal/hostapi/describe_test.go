package hostapi_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/cdxgate/cdxgate/internal/hostapi"
)

// A route without a description, or a description without a route, is a line missing in New or in describe.go.
func TestEveryRouteIsDescribed(t *testing.T) {
	t.Parallel()
	var described []string
	for _, group := range hostapi.Describe("") {
		for _, o := range group.Operations {
			described = append(described, o.Route())
		}
	}
	slices.Sort(described)
	routes := hostapi.New(hostapi.Config{}).Routes()
	slices.Sort(routes)
	if !slices.Equal(described, routes) {
		t.Errorf("described are\n%s\nserved are\n%s", strings.Join(described, "\n"), strings.Join(routes, "\n"))
	}
}
