package dashboard

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/templates"
)

// maxVersions bounds the choice of releases that hosts run already.
const maxVersions = 10

// settingsPage says how the fleet's policies stand, and what follows from them.
func settingsPage(f *settingsFacts) templates.SettingsPage {
	return templates.SettingsPage{
		Why: f.visit.unless(access.PolicyWrite), Switch: templates.Switch{Known: true, Off: f.policy.APIDisabled}, SwitchText: switchText(f),
		Quota: quotaSettings(f), Codex: codexSettings(f), Prune: pruneSettings(f),
		Silent: templates.SilentSettings{SettingsCard: settingsCard(f, decideSilent), On: f.policy.CdxSilent},
	}
}

// settingsCard is what all cards have. Of several policies the last decision counts.
func settingsCard(f *settingsFacts, d decision) templates.SettingsCard {
	card := templates.SettingsCard{Tag: f.policy.Tag(d.policies...)}
	if f.failure.card == d.name {
		card.Wrong = f.failure.text
	}
	var last time.Time
	for _, name := range d.policies {
		if at := f.policy.DecidedAt[name]; at.After(last) {
			last = at
		}
	}
	card.Decided = templates.Moment{At: last, Now: f.visit.now}
	return card
}

func switchText(f *settingsFacts) string {
	if f.policy.APIDisabled {
		return fmt.Sprintf("%s refused since %s.", templates.Count(f.counts.Active, "active host is", "active hosts are"), templates.Exact(f.policy.DecidedAt["api_disabled"]))
	}
	return fmt.Sprintf("%s would be refused from the next call on. Codex that is running goes on until its access token expires. These pages stay open.",
		templates.Count(f.counts.Active, "active host", "active hosts"))
}

func quotaSettings(f *settingsFacts) templates.QuotaSettings {
	q := templates.QuotaSettings{
		SettingsCard: settingsCard(f, decideQuota), Refuse: f.policy.QuotaHardFail, Limit: f.policy.QuotaLimitPercent,
		Text: "Warn: cdx says so and starts Codex all the same.",
	}
	if q.Refuse {
		q.Text = "Refuse: cdx does not start Codex; VIP hosts are warned. What runs already goes on."
	}
	for _, c := range []struct {
		label string
		days  int
	}{{"Off", 0}, {"7 days", 7}, {"Mon–Fri", 5}} {
		partition := templates.Partition{Label: c.label, Value: strconv.Itoa(c.days), Current: f.policy.QuotaWeekPartition == c.days}
		if c.days > 0 {
			partition.Of = strconv.FormatFloat(dayShare(c.days), 'f', 0, 64)
			partition.Share = dayShare(c.days) * float64(q.Limit) / 100
		}
		q.Partitions = append(q.Partitions, partition)
	}
	return q
}

// dayShare is how many per cent of the week's quota a day has, as cdx counts; the limit then is of that.
func dayShare(days int) float64 { return math.Round(100 / float64(days)) }

func codexSettings(f *settingsFacts) templates.CodexSettings {
	locked := f.policy.ClientVersion
	c := templates.CodexSettings{
		SettingsCard: settingsCard(f, decideCodex), Other: f.failure.typed, Checked: templates.Moment{At: f.known.CheckedAt, Now: f.visit.now},
		Text:  "The newest release, as soon as GitHub has it, or a locked one.",
		Known: "Which Codex is the newest is not known. The gateway has not asked yet, or has been told not to.",
	}
	if locked != "" {
		c.Text = fmt.Sprintf("Locked to %s. %s it.", locked, onVersion(f.codex, locked))
	}
	newest := templates.Option{Label: "Latest", Value: newestCodex, Current: locked == ""}
	if f.known.Version != "" {
		c.Known = "The newest Codex is " + f.known.Version + "."
		newest.Label = "Latest, now " + f.known.Version
	}
	if f.known.Reason != "" {
		c.Failed = fmt.Sprintf("Asked in vain at %s: %s", templates.Exact(f.known.FailedAt), f.known.Reason)
	}
	for _, version := range slices.Compact([]string{locked, f.known.Version}) {
		if href := codexAddress(version); href != "" {
			c.Notes = append(c.Notes, templates.Action{Label: "Release notes of " + version, Href: href})
		}
	}
	c.Options = []templates.Option{newest}
	listed := map[string]bool{}
	add := func(version string) {
		if !listed[version] && fleet.IsVersion(version) && len(listed) < maxVersions {
			listed[version] = true
			c.Options = append(c.Options, templates.Option{Label: "Lock to " + version, Value: version, Current: version == locked})
		}
	}
	add(locked)
	add(f.known.Version)
	for _, count := range f.codex {
		add(count.Version)
	}
	c.Options = append(c.Options, templates.Option{Label: "Another release, below", Value: otherCodex})
	return c
}

// onVersion says how many of the hosts that told run a version.
func onVersion(counts []fleet.VersionCount, version string) string {
	var on, of int64
	for _, count := range counts {
		of += count.Hosts
		if count.Version == version {
			on = count.Hosts
		}
	}
	return fmt.Sprintf("%s of %s", templates.Grouped(on), templates.Count(of, "host runs", "hosts run"))
}

// pruneSettings says when silent hosts go, and how many would at once if that were sooner.
func pruneSettings(f *settingsFacts) templates.PruneSettings {
	p := templates.PruneSettings{SettingsCard: settingsCard(f, decidePrune), Days: f.policy.InactivityWindowDays}
	p.Text = fmt.Sprintf("After so long without a call. Now would go: %s at 30 days, %s at 14 days, %s at 7 days, %s at 1 day.",
		templates.Count(f.idle.Due(30), "host", "hosts"), templates.Grouped(f.idle.Due(14)), templates.Grouped(f.idle.Due(7)), templates.Grouped(f.idle.Due(1)))
	return p
}
