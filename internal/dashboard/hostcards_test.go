package dashboard

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/credential"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/internal/policy"
	"github.com/cdxgate/cdxgate/internal/usage"
	"github.com/cdxgate/cdxgate/templates"
)

// aHost are the facts about a host that called five minutes ago and has the fleet's login, generation 3.
func aHost(change func(*hostFacts)) *hostFacts {
	seen := now.Add(-5 * time.Minute)
	f := &hostFacts{
		now: now, version: "1.4.0", days: 30, policy: &policy.State{Policy: policy.Default()}, details: &fleet.Details{},
		has: func(string) bool { return false }, why: func(access.Capability) string { return "" },
		host: &db.Host{
			ID: 14, FQDN: "falcon.fra.example", Status: "active", Secure: true, MayStore: true, KeyPrefix: "7f3c21d0", CreatedAt: now.AddDate(0, -8, 0), LastSeenAt: &seen,
			APICalls: 48211, BoundIP: new(netip.MustParseAddr("203.0.113.9")), ClientVersion: new("0.169.0"), WrapperVersion: new("1.4.0"),
		},
		current: credential.Generation{Number: 3, AccessExpiresAt: now.Add(185 * time.Hour)}, standing: fleet.Standing{Has: 3, Given: fleet.Given{Number: 3, Mode: "full", At: now.Add(-time.Hour)}},
	}
	f.host.AuthDigest = f.current.Digest[:]
	if change != nil {
		change(f)
	}
	return f
}

func plain(text string) string { return strings.ReplaceAll(text, "\u00a0", " ") }

func TestHostTop(t *testing.T) {
	t.Parallel()
	later, earlier := now.Add(time.Hour), now.Add(-time.Hour)
	other := make([]byte, 32)
	other[0] = 1
	for name, c := range map[string]struct {
		change        func(*hostFacts)
		marks, alerts string
	}{
		"a good one":          {nil, "Can login, Secure", ""},
		"behind":              {func(f *hostFacts) { f.host.AuthDigest = other }, "Behind, Secure", ""},
		"insecure and behind": {func(f *hostFacts) { f.host.AuthDigest, f.host.Secure = other, false }, "Locked, Insecure, Outdated login", ""},
		"everything at once": {func(f *hostFacts) {
			f.host.VIP, f.host.ForceIPv4, f.host.Secure, f.host.InsecureUntil = true, true, false, &later
		}, "Window open, Insecure, VIP, IPv4 only", ""},
		"suspended": {func(f *hostFacts) { f.host.Status = "disabled" }, "Suspended, Secure", "This host is suspended. | Resume"},
		"temporary": {func(f *hostFacts) { f.host.ExpiresAt = &later }, "Can login, Secure", "This host is a temporary one. Without a call it is removed at Mon 23 Nov 2026, 15:32 UTC."},
		"expired":   {func(f *hostFacts) { f.host.ExpiresAt = &earlier }, "Expired, Secure", "This host has expired. Its calls are refused since Mon 23 Nov 2026, 13:32 UTC."},
		"never seen": {func(f *hostFacts) {
			f.host.LastSeenAt, f.standing.Token = nil, fleet.TokenStanding{Ready: true, ExpiresAt: later}
		}, "Never seen, Secure",
			"Its install command was not used yet. It works once, until Mon 23 Nov 2026, 15:32 UTC."},
		"with a new command": {func(f *hostFacts) { f.standing.Token = fleet.TokenStanding{Ready: true, ExpiresAt: later} }, "Can login, Secure",
			"An install command waits to be used. The machine has no key until then; the command works once, until Mon 23 Nov 2026, 15:32 UTC."},
		"silent": {func(f *hostFacts) { f.host.LastSeenAt = new(now.AddDate(0, 0, -25)) }, "Pruned in 5 d, Secure", ""},
	} {
		top := aHost(c.change).top()
		var marks, alerts []string
		for _, mark := range top.Marks {
			marks = append(marks, mark.Text)
		}
		for _, alert := range top.Alerts {
			text := alert.Title + " " + alert.Text
			if alert.Action.Label != "" {
				text = alert.Title + " | " + alert.Action.Label
			}
			alerts = append(alerts, text)
		}
		if got := strings.Join(marks, ", "); got != c.marks {
			t.Errorf("%s: got marks %q, want %q", name, got, c.marks)
		}
		if got := strings.Join(alerts, "; "); got != c.alerts {
			t.Errorf("%s: got alerts %q, want %q", name, got, c.alerts)
		}
		if top.Name != "falcon" || top.Domain != ".fra.example" {
			t.Errorf("got %q and %q", top.Name, top.Domain)
		}
	}
	if top := aHost(func(f *hostFacts) { f.host.FQDN = "falcon" }).top(); top.Name != "falcon" || top.Domain != "" {
		t.Errorf("got %q and %q", top.Name, top.Domain)
	}
}

// What is not known is a dash, or said to be unknown: never zero.
func TestHostFigures(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*hostFacts)
		want   []string
	}{
		"nothing is known": {func(f *hostFacts) {
			f.host = &db.Host{FQDN: "a.example", Status: "active"}
			f.current, f.standing = credential.Generation{}, fleet.Standing{}
		}, []string{"Never, it has not called yet", "None, the fleet has none yet", "–, it has not said yet", "–, it has reported no tokens"}},
		"all is known": {func(f *hostFacts) {
			f.host.LastRefresh = new("2026-11-21T14:32:00Z")
			f.details.LastUsage = &db.UsageEntry{At: now.Add(-time.Hour), Total: new(int64(155866))}
		}, []string{
			"5 min ago, Mon 23 Nov 2026, 14:27 UTC, 48,211 calls for the login", "3 generation, current; refreshed 2 d ago",
			"0.169.0, no version is locked, cdx 1.4.0", "156\u202fk tokens, 1 h ago, Mon 23 Nov 2026, 13:32 UTC",
		}},
		"behind, on another Codex": {func(f *hostFacts) {
			f.host.AuthDigest, f.standing.Has, f.policy.ClientVersion, f.host.WrapperVersion = []byte("x"), 2, "0.170.0", new("1.3.2")
		}, []string{"", "2 generation, the fleet is at 3, which it gets at its next call", "0.169.0, to become 0.170.0, the fleet's target, cdx 1.3.2, to become 1.4.0", ""}},
		"its own login, its own Codex": {func(f *hostFacts) {
			f.host.AuthDigest, f.standing.Has, f.host.ClientVersionPin, f.policy.ClientVersion = []byte("x"), 0, new("0.169.0"), "0.170.0"
		}, []string{"", "Its own, no generation of the fleet's", "0.169.0, on target, its own, cdx 1.4.0", ""}},
		"without a login yet": {func(f *hostFacts) { f.host.AuthDigest = nil }, []string{"", "None, it takes the login with its next call", "", ""}},
		"a report that says nothing": {func(f *hostFacts) {
			f.host.LastRefresh, f.details.LastUsage = new("yesterday"), &db.UsageEntry{At: now}
		}, []string{"", "3 generation, current", "", "–, just now, Mon 23 Nov 2026, 14:32 UTC"}},
	} {
		all := aHost(c.change).figures()
		for i, label := range []string{"Last seen", "Login", "Codex", "Latest report"} {
			if got := figure(all, label); c.want[i] != "" && got != c.want[i] {
				t.Errorf("%s: got %q, want %q", name, got, c.want[i])
			}
		}
	}
}

func TestHostIdentity(t *testing.T) {
	t.Parallel()
	until := now.AddDate(0, 0, 7)
	d := aHost(func(f *hostFacts) {
		f.host.Labels, f.host.PreviousFQDNs, f.host.MayStore = []byte(`{"site":"fra","role":"build"}`), []string{"hawk.example"}, false
		f.host.NextKeyPrefix, f.host.KeyUntil = new("99aabbcc"), &until
		f.details.Users = []api.HostUser{{Username: "dev1", Hostname: new("falcon"), FirstSeen: api.Time{Time: now}, LastSeen: api.Time{Time: now}}}
		f.details.RecentDigests = []string{strings.Repeat("0", 64), strings.Repeat("e0", 32)}
	}).identity()
	if d.KeyNote != "followed by 99aabbcc…, which it gets with its next synchronisation; this one ends Mon 30 Nov 2026, 14:32 UTC at the latest" || d.Key != "7f3c21d0…" {
		t.Errorf("got key %q, %q", d.Key, d.KeyNote)
	}
	if d.Address != "203.0.113.9" || d.AddrNote != "its key is good from here only" || d.Unbind.Post != "/dashboard/hosts/14/unbind" {
		t.Errorf("got %q, %q, %+v", d.Address, d.AddrNote, d.Unbind)
	}
	if d.DigestIs.Text != "Canonical" || !slices.Equal(d.Before, []string{strings.Repeat("e0", 32)}) || d.Delivery != "Full: the whole auth.json, generation 3 last" {
		t.Errorf("got %+v, before %q, %q", d.DigestIs, d.Before, d.Delivery)
	}
	if len(d.Labels) != 2 || d.Labels[0].Name != "role" || len(d.Users) != 1 || !strings.HasSuffix(d.Users[0].Title, ", on falcon") || d.MoreText != "" {
		t.Errorf("got labels %v, users %v", d.Labels, d.Users)
	}
	var names []string
	for _, fact := range d.More {
		names = append(names, fact.Name+" "+fact.Value)
	}
	if got := strings.Join(names, ", "); got != "Handed over , Uploads wait for an admin, Was named hawk.example, Pruned " {
		t.Errorf("got %q", got)
	}
	for want, change := range map[string]func(*hostFacts){
		"roaming: it may call from anywhere, this is the last address": func(f *hostFacts) { f.host.Roaming = true },
		"may call from 172.28.0.0/16, fd00::/8": func(f *hostFacts) {
			f.host.AllowFrom = []netip.Prefix{netip.MustParsePrefix("172.28.0.0/16"), netip.MustParsePrefix("fd00::/8")}
		},
		"the first address that it calls from becomes its own": func(f *hostFacts) { f.host.BoundIP = nil },
	} {
		if got := aHost(change).identity().AddrNote; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for want, change := range map[string]func(*hostFacts){
		"No login":           func(f *hostFacts) { f.host.AuthDigest = nil },
		"Outdated":           func(f *hostFacts) { f.host.AuthDigest = []byte("x") },
		"The fleet has none": func(f *hostFacts) { f.current = credential.Generation{} },
	} {
		if got := aHost(change).identity().DigestIs.Text; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// A day before the first report is a gap; one without a report after it is none.
func TestHostUsageCard(t *testing.T) {
	t.Parallel()
	f := aHost(func(f *hostFacts) {
		f.days, f.has = 7, everyPage
		f.usage = &usage.HostHistory{
			Since: now.AddDate(0, 0, -1).Truncate(24 * time.Hour), Until: now.Truncate(24 * time.Hour), Reports: 2, Ever: 9,
			Days: []usage.HostDay{
				{Date: now.AddDate(0, 0, -1), Sum: usage.Sum{Total: 10400, Input: 1000, Cached: 9000, Output: 400, Reasoning: 100, Cost: new(.38)}},
				{Date: now, Sum: usage.Sum{Cost: new(0.0)}},
			},
			Sum: usage.Sum{Total: 10400, Input: 1000, Cached: 9000, Output: 400, Reasoning: 100},
		}
		f.details.LastUsage = &db.UsageEntry{At: now, Model: new("gpt-5"), Total: new(int64(155866)), Input: new(int64(5)), Output: new(int64(0)), Cost: new(.38)}
	})
	card := f.usageCard()
	var known []bool
	for _, day := range card.Bars.Days {
		known = append(known, day.Known)
	}
	if !slices.Equal(known, []bool{false, false, false, false, false, true, true}) {
		t.Errorf("got days %v", known)
	}
	if got := card.Bars.Days[5].Title; got != "Sun 22 Nov: 10,400 tokens, input 1,000, cached 9,000, output 400, reasoning 100, $0.38" {
		t.Errorf("got %q", got)
	}
	var parts []string
	for _, part := range card.Parts {
		parts = append(parts, fmt.Sprintf("%s %s %s %s", part.Label, part.Value, part.Width, strings.ReplaceAll(part.Note, "\u202f", " ")))
	}
	if got, want := strings.Join(parts, "; "), "Input 1,000 11.111% 9.6 % of the total; Cached 9,000 100% 86.5 % of the total; Output 400 6% 3.8 % of the total; Reasoning 100 6% part of the output"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if card.Last != "Latest report: gpt-5, 155,866 tokens, 5 input, $0.38, " || card.URL != "/dashboard/hosts/14?days=7" || !card.Ranges[0].Current || card.Ranges[1].Value != "/dashboard/hosts/14" || card.Action.Href == "" {
		t.Errorf("got %q, %+v", card.Last, card)
	}
	if parts := hostParts(&usage.Sum{Total: 5, Input: 5, Cached: 20}); len(parts) != 2 || parts[1].Note != "beside the total" {
		t.Errorf("cached tokens that the total does not count: got %+v", parts)
	}
	if card := aHost(nil).usageCard(); card.Empty == nil {
		t.Error("got no empty state")
	}
}

// lastReport says what a report says when it says no number.
func TestLastReport(t *testing.T) {
	t.Parallel()
	if got := lastReport(&db.UsageEntry{Line: new("Token usage: none")}); got != "Latest report: Token usage: none, " {
		t.Errorf("got %q", got)
	}
}

func TestHostWindowCard(t *testing.T) {
	t.Parallel()
	later, earlier := now.Add(8*time.Minute), now.Add(-time.Minute)
	for name, c := range map[string]struct {
		change func(*hostFacts)
		want   string // mark, label, minutes, step, why
	}{
		"secure": {nil, "Not needed||10|187|The host is a secure one: it needs no window."},
		"open": {func(f *hostFacts) {
			f.host.Secure, f.host.InsecureUntil, f.host.WindowMinutes = false, &later, new(int16(60))
		}, "Open|for another|60|510|"},
		"closed": {func(f *hostFacts) { f.host.Secure, f.host.InsecureUntil = false, &earlier }, "Closed||10|187|"},
		"in grace": {func(f *hostFacts) {
			f.host.Secure, f.host.GraceUntil, f.host.WindowMinutes = false, &later, new(int16(480))
		}, "Closed|may still bring what it has for|480|1000|"},
		"of a viewer": {func(f *hostFacts) {
			f.host.Secure, f.host.WindowMinutes, f.why = false, new(int16(1)), func(access.Capability) string { return "No." }
		}, "Closed||1|26|No."},
	} {
		w := aHost(c.change).windowCard()
		if got := strings.Join([]string{w.Mark.Text, w.Label, w.Minutes, w.Steps, w.Why}, "|"); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestOfferedVersions(t *testing.T) {
	t.Parallel()
	f := aHost(func(f *hostFacts) {
		f.policy.ClientVersion, f.host.ClientVersionPin, f.suggested = "0.170.0", new("0.169.0"), []string{"0.170.0", "0.168.0"}
		for i := range 20 {
			f.suggested = append(f.suggested, fmt.Sprintf("0.1.%d", i))
		}
	})
	var labels []string
	for _, option := range f.offeredVersions() {
		labels = append(labels, option.Label)
	}
	if len(labels) != maxOffered || labels[0] != "0.170.0, the fleet's target, in the fleet" || labels[1] != "0.169.0, pinned, reported by this host" || labels[2] != "0.168.0, in the fleet" {
		t.Errorf("got %q", labels)
	}
}

// The key can be rotated in peace only where nobody else would be given the new one.
func TestWhyNoRotation(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*hostFacts){
		"": nil, "It has a new key already": func(f *hostFacts) { f.host.NextKeySHA256 = []byte("x") },
		"It may call from several addresses": func(f *hostFacts) { f.host.Roaming = true },
		"No.":                                func(f *hostFacts) { f.why = func(access.Capability) string { return "No." } },
	} {
		if got := aHost(change).whyNoRotation(); !strings.HasPrefix(got, want) || (got == "") != (want == "") {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// What follows is said in numbers.
func TestHostQuestions(t *testing.T) {
	t.Parallel()
	h := aHost(nil).host
	never := &db.Host{FQDN: "new.example"}
	for name, c := range map[string]struct {
		question templates.Confirm
		want     string // what has to be typed: what follows
	}{
		"install":             {installQuestion(h, 2, ""), "falcon.fra.example: Its API key is dead at once: the machine is refused until the command has run there. 2 users cannot start Codex there. Its address is asked anew: the first that it calls from afterwards becomes its own."},
		"install, never seen": {installQuestion(never, 0, ""), ": A command that was made before for this host is dead at once."},
		"remove": {
			removeQuestion(h, 1, 1200, 18204113, credential.Generation{AccessExpiresAt: now}, ""),
			"falcon.fra.example: Its API key is dead at once, on every gateway of this fleet. 1 user cannot start Codex there. An access token that it holds already stays good until Mon 23 Nov 2026, 14:32 UTC at the latest. What it used stays in the fleet's sums without its name: 18,204,113 tokens in 1,200 reports.",
		},
		"remove, of many users": {removeQuestion(h, fleet.MaxDetailUsers, 0, 0, credential.Generation{}, ""), "falcon.fra.example: Its API key is dead at once, on every gateway of this fleet. 20 users or more cannot start Codex there. The login that is on the machine stays good until it is renewed elsewhere or expires."},
		"remove, never seen":    {removeQuestion(never, 0, 0, 0, credential.Generation{}, ""), "new.example: Its API key is dead at once, on every gateway of this fleet. No users are known there."},
	} {
		if got := plain(c.question.Type + ": " + strings.Join(c.question.Effects, " ")); got != c.want {
			t.Errorf("%s: got\n%q, want\n%q", name, got, c.want)
		}
	}
}

// How far the machine has come does not depend on whose clock is right: a key that was never used has no address.
func TestContact(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*hostFacts)
		want   string
		waits  bool
	}{
		"in the fleet": {nil, "falcon.fra.example is in the fleet.", false},
		"an old host with a new command": {func(f *hostFacts) {
			f.host.BoundIP, f.standing.Token = nil, fleet.TokenStanding{Ready: true, ExpiresAt: now.Add(time.Hour)}
		}, "Listening for falcon.fra.example.", true},
		"used":      {func(f *hostFacts) { f.host.BoundIP, f.standing.Token = nil, fleet.TokenStanding{UsedAt: now} }, "The command was used.", true},
		"too late":  {func(f *hostFacts) { f.host.BoundIP = nil }, "The command has expired.", false},
		"it called": {func(f *hostFacts) { f.host.AuthDigest = nil }, "falcon.fra.example has called.", true},
		"no login":  {func(f *hostFacts) { f.host.AuthDigest, f.current = nil, credential.Generation{} }, "falcon.fra.example has called.", false},
	} {
		contact := aHost(c.change).contact()
		if contact.Title != c.want || contact.Wait != c.waits {
			t.Errorf("%s: got %q, waits %v", name, contact.Title, contact.Wait)
		}
	}
}
