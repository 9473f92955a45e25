package dashboard

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/door"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/internal/policy"
	"github.com/cdxgate/cdxgate/internal/release"
	"github.com/cdxgate/cdxgate/templates"
)

// settingsOf is what an operator's settings are made of, where nobody has decided anything.
func settingsOf(change func(*settingsFacts)) *settingsFacts {
	f := &settingsFacts{
		visit:  &visit{now: now, Visitor: door.Visitor{By: access.Session, Grant: access.Grant{Role: access.Operator}}},
		policy: &policy.State{Policy: policy.Default(), DecidedAt: map[string]time.Time{}}, known: release.Known{Source: release.SourceUnknown}, idle: &fleet.Idle{},
	}
	if change != nil {
		change(f)
	}
	return f
}

// A day's share is that of which cdx warns or refuses: of a seventh or a fifth, in whole per cent, as much as the limit says.
func TestWeekPartitions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		limit, partition int
		seven, five      float64
	}{{100, 0, 14, 20}, {95, 5, 13.3, 19}, {50, 7, 7, 10}} {
		q := quotaSettings(settingsOf(func(f *settingsFacts) { f.policy.QuotaLimitPercent, f.policy.QuotaWeekPartition = c.limit, c.partition }))
		want := []templates.Partition{
			{Label: "Off", Value: "0", Current: c.partition == 0}, {Label: "7 days", Value: "7", Of: "14", Share: c.seven, Current: c.partition == 7},
			{Label: "Mon–Fri", Value: "5", Of: "20", Share: c.five, Current: c.partition == 5},
		}
		for i := range q.Partitions {
			if diff := q.Partitions[i].Share - want[i].Share; diff < 1e-9 && diff > -1e-9 {
				q.Partitions[i].Share = want[i].Share
			}
		}
		if !slices.Equal(q.Partitions, want) || q.Limit != c.limit {
			t.Errorf("%d: got %+v, want %+v", c.limit, q.Partitions, want)
		}
	}
}

func TestQuotaSettingsSayWhatFollows(t *testing.T) {
	t.Parallel()
	for refuse, want := range map[bool]string{true: "Refuse: cdx does not start Codex", false: "Warn: cdx says so"} {
		if q := quotaSettings(settingsOf(func(f *settingsFacts) { f.policy.QuotaHardFail = refuse })); q.Refuse != refuse || !strings.HasPrefix(q.Text, want) {
			t.Errorf("got %+v, want %q", q, want)
		}
	}
}

// The choice has the newest release, the locked one and what hosts run, each once, and no text of a host's that is no version.
func TestCodexSettings(t *testing.T) {
	t.Parallel()
	counts := []fleet.VersionCount{{Version: "0.168.2", Hosts: 4}, {Version: "0.169.0", Hosts: 2}, {Version: `0.1"><script>`, Hosts: 1}}
	for name, c := range map[string]struct {
		change func(*settingsFacts)
		want   []string // values; the chosen one is marked
		says   string
	}{
		"nothing is known": {nil, []string{"*latest", "other"}, "is not known"},
		"the newest":       {func(f *settingsFacts) { f.known.Version, f.known.CheckedAt, f.codex = "0.169.0", now, counts }, []string{"*latest", "0.169.0", "0.168.2", "other"}, "The newest Codex is 0.169.0."},
		"locked": {func(f *settingsFacts) {
			f.known.Version, f.codex, f.policy.ClientVersion = "0.169.0", counts, "0.168.2"
		}, []string{"latest", "*0.168.2", "0.169.0", "other"}, "Locked to 0.168.2. 4 of 7\u00a0hosts run it."},
		"locked to what nobody runs": {func(f *settingsFacts) { f.policy.ClientVersion = "0.9.0" }, []string{"latest", "*0.9.0", "other"}, "0 of 0"},
		"asked in vain":              {func(f *settingsFacts) { f.known.Reason, f.known.FailedAt = "status 403", now }, []string{"*latest", "other"}, "14:32 UTC: status 403"},
		"many": {func(f *settingsFacts) {
			for i := range 40 {
				f.codex = append(f.codex, fleet.VersionCount{Version: "0." + string(rune('0'+i/10)) + string(rune('0'+i%10)) + ".0", Hosts: 1})
			}
		}, nil, ""},
	} {
		shown := codexSettings(settingsOf(c.change))
		var got []string
		for _, option := range shown.Options {
			mark := ""
			if option.Current {
				mark = "*"
			}
			got = append(got, mark+option.Value)
		}
		if c.want == nil {
			if len(got) != maxVersions+2 {
				t.Errorf("%s: got %d options", name, len(got))
			}
			continue
		}
		if said := shown.Text + " " + shown.Known + " " + shown.Failed; !slices.Equal(got, c.want) || !strings.Contains(said, c.says) {
			t.Errorf("%s: got %q and %q, want %q and %q", name, got, said, c.want, c.says)
		}
	}
}

// How many hosts would go is a number for each window, longer silences included.
func TestPruneSettings(t *testing.T) {
	t.Parallel()
	shown := pruneSettings(settingsOf(func(f *settingsFacts) {
		f.idle[0], f.idle[1], f.idle[8], f.idle[14], f.idle[30], f.idle[60] = 1000, 3, 2, 4, 1, 5
	}))
	if want := "6\u00a0hosts at 30 days, 10 at 14 days, 12 at 7 days, 15 at 1 day."; !strings.HasSuffix(shown.Text, want) || shown.Days != 30 {
		t.Errorf("got %d, %q, want %q", shown.Days, shown.Text, want)
	}
	one := pruneQuestion(1, 1, "tag")
	if one.Type != "remove 1 host" || pruneQuestion(3, 1204, "tag").Type != "remove 1204 hosts" {
		t.Errorf("got %+v", one)
	}
}

// A card tells when the last of its policies was decided, and what became of its own form alone.
func TestSettingsCards(t *testing.T) {
	t.Parallel()
	f := settingsOf(func(f *settingsFacts) {
		f.policy.DecidedAt["quota_hard_fail"], f.policy.DecidedAt["quota_week_partition"] = now.Add(-time.Hour), now.Add(-time.Minute)
		f.failure = failure{card: decideQuota.name, text: "No."}
	})
	p := settingsPage(f)
	if p.Quota.Decided.At != now.Add(-time.Minute) || p.Quota.Wrong != "No." || p.Codex.Wrong != "" || !p.Prune.Decided.At.IsZero() || p.Quota.Tag == p.Prune.Tag || p.Why != "" {
		t.Errorf("got %+v", p)
	}
	f.visit.Role = access.Viewer
	if got := settingsPage(f).Why; got != "Your role is viewer; this takes an operator." {
		t.Errorf("a viewer: got %q", got)
	}
}
