package fleet_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/fleet"
)

func TestLabelsAndNote(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.register(t, fleet.Registration{}).Host.ID
	longest := strings.Repeat("k", 32)
	for _, step := range []struct {
		change, want map[string]string
	}{
		{map[string]string{"team": "build", "rack": "7"}, map[string]string{"team": "build", "rack": "7"}},
		{map[string]string{"team": "", "rack": "8", "none": ""}, map[string]string{"rack": "8"}},
		{nil, map[string]string{"rack": "8"}},
		{map[string]string{}, map[string]string{"rack": "8"}},
		{map[string]string{"rack": "", longest: strings.Repeat("ä", 32), "a.b_c-d": `"<&>\ =`}, map[string]string{longest: strings.Repeat("ä", 32), "a.b_c-d": `"<&>\ =`}},
	} {
		host, err := r.Update(t.Context(), id, fleet.Change{Labels: step.change}, operator)
		if err != nil || !maps.Equal(fleet.Labels(host), step.want) {
			t.Errorf("%v: got %s, %v", step.change, host.Labels, err)
		}
	}
	host, err := r.Update(t.Context(), id, fleet.Change{Note: new("asks for\ttwo\nlines")}, operator)
	if err != nil || host.Note != "asks for\ttwo\nlines" || len(fleet.Labels(host)) != 2 {
		t.Errorf("got %q, %v", host.Note, err)
	}
	if host, err = r.Update(t.Context(), id, fleet.Change{Note: new("")}, operator); err != nil || host.Note != "" {
		t.Errorf("got %q, %v", host.Note, err)
	}
	const entry = "SELECT (details->>'note_before') || '|' || (details->>'note') FROM audit_entry WHERE details ? 'note' ORDER BY id DESC LIMIT 1"
	if got := value[string](t, r, entry); got != "asks for\ttwo\nlines|" {
		t.Errorf("got %q recorded", got)
	}
	const labels = "SELECT (details->>'labels_before') || ' ' || (details->>'labels') FROM audit_entry WHERE details->'labels_before' ? 'team'"
	if got := value[string](t, r, labels); got != `{"rack": "7", "team": "build"} {"rack": "8"}` {
		t.Errorf("got %s recorded", got)
	}
	_, err = r.Update(t.Context(), id+1, fleet.Change{Note: new("x")}, operator)
	is(t, "no host", err, fleet.ErrHostNotFound)
}

func TestLabelBounds(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.register(t, fleet.Registration{}).Host.ID
	bad := map[string]fleet.Change{
		"a value of 65 bytes": {Labels: map[string]string{"k": strings.Repeat("v", 65)}},
		"a line feed":         {Labels: map[string]string{"k": "a\nb"}},
		"an escape":           {Labels: map[string]string{"k": "\x1b[31m"}},
		"no UTF-8":            {Labels: map[string]string{"k": "\xff"}},
		"direction marks":     {Labels: map[string]string{"k": "a\u202eb"}},
		"a NUL":               {Note: new("a\x00b")},
		"a long note":         {Note: new(strings.Repeat("ä", 513))},
		"an escape in a note": {Note: new("\x1b[2J")},
	}
	for _, key := range []string{"", "K", "-k", ".k", "k k", "k=v", "ſ", "k\n", strings.Repeat("k", 33)} {
		bad[fmt.Sprintf("the key %q", key)] = fleet.Change{Labels: map[string]string{key: "v"}}
		bad[fmt.Sprintf("removing the key %q", key)] = fleet.Change{Labels: map[string]string{key: ""}}
	}
	for name, change := range bad {
		if _, err := r.Update(t.Context(), id, change, operator); err == nil || errs.Of(err).Kind != errs.Invalid {
			t.Errorf("%s: got %v", name, err)
		}
		if err := fleet.CheckLabels(change.Labels); (err == nil) != (change.Labels == nil) {
			t.Errorf("%s: got %v of the check beforehand", name, err)
		}
	}
	many := map[string]string{"none": ""}
	for i := range 16 {
		many[fmt.Sprint("k", i)] = "v"
	}
	if err := fleet.CheckLabels(many); err != nil {
		t.Errorf("got %v for sixteen labels", err)
	}
	many["none"] = "v"
	if err := fleet.CheckLabels(many); err == nil {
		t.Error("got seventeen labels taken")
	}
	// Sixteen at most, also when many add one at once; and the longest that each may be have room in the table.
	failures := everybody(24, func(i int) error {
		key := fmt.Sprintf("%02d%s", i, strings.Repeat("k", 30))
		_, err := r.Update(context.Background(), id, fleet.Change{Labels: map[string]string{key: strings.Repeat(`"`, 64)}}, operator)
		if err != nil && errs.Of(err).Kind == errs.Invalid {
			return fleet.ErrHostExists // stands for: refused
		}
		return err
	})
	host, err := r.store.HostByID(t.Context(), id)
	if err != nil || count(failures, nil) != 16 || count(failures, fleet.ErrHostExists) != 8 || len(fleet.Labels(&host)) != 16 {
		t.Errorf("got %v, %s, %v", failures, host.Labels, err)
	}
	var one string
	for key := range fleet.Labels(&host) {
		one = key
	}
	if _, err := r.Update(t.Context(), id, fleet.Change{Labels: map[string]string{one: "", "another": "v"}}, operator); err != nil {
		t.Errorf("got %v for one in place of another", err)
	}
	for _, text := range []string{"team", "", "=v", "Team=v"} {
		if _, _, err := fleet.ParseLabel(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
	if key, value, err := fleet.ParseLabel("k=a=b"); key != "k" || value != "a=b" || err != nil {
		t.Errorf("got %q, %q, %v", key, value, err)
	}
}
