package policy_test

import (
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/dbtest"
	"github.com/cdxgate/cdxgate/internal/policy"
)

// A tag stays as long as nobody decides what it is of, and is another one afterwards, also when what was decided is the same.
func TestTag(t *testing.T) {
	t.Parallel()
	now := then
	s := policy.New(dbtest.New(t), func() time.Time { return now })
	tag := func(names ...string) string {
		t.Helper()
		state, err := s.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return state.Tag(names...)
	}
	quota := []string{"quota_hard_fail", "quota_limit_percent"}
	seen := map[string]bool{tag(quota...): true}
	for i, value := range []string{"90", "90", "100"} {
		now = then.Add(time.Duration(i) * time.Microsecond)
		if err := s.Set(t.Context(), "quota_limit_percent", value, operator); err != nil {
			t.Fatal(err)
		}
		if got := tag(quota...); seen[got] {
			t.Errorf("decision %d: the tag %s was there before", i, got)
		}
		seen[tag(quota...)] = true
	}
	before := tag(quota...)
	if err := s.Set(t.Context(), "cdx_silent", "yes", operator); err != nil {
		t.Fatal(err)
	}
	if tag(quota...) != before || tag(quota[:1]...) == before || tag("cdx_silent") == before {
		t.Error("the tag is not of these policies alone")
	}
}
