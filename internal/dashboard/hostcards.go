package dashboard

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/templates"
)

// top is what matters most about the host.
func (f *hostFacts) top() templates.HostTop {
	h := f.host
	first, rest, _ := strings.Cut(h.FQDN, ".")
	t := templates.HostTop{Name: first, Text: fmt.Sprintf("Host %d, added %s", h.ID, templates.Date(h.CreatedAt)), Alerts: f.alerts(), Figures: f.figures()}
	if rest != "" {
		t.Domain = "." + rest
	}
	state := stateOf(h, f.digest(), f.silence(), f.now)
	t.Marks = []templates.Mark{{Tone: state.Tone, Icon: state.Icon, Text: state.Label}}
	if h.Secure {
		t.Marks = append(t.Marks, templates.Mark{Icon: "locked", Text: "Secure"})
	} else {
		t.Marks = append(t.Marks, templates.Mark{Tone: templates.Warn, Icon: "warn", Text: "Insecure"})
	}
	if f.behind() && state.Key != "behind" {
		t.Marks = append(t.Marks, templates.Mark{Tone: templates.Info, Icon: "behind", Text: "Outdated login"})
	}
	if h.VIP {
		t.Marks = append(t.Marks, templates.Mark{Icon: "vip", Text: "VIP"})
	}
	if h.ForceIPv4 {
		t.Marks = append(t.Marks, templates.Mark{Icon: "settings", Text: "IPv4 only"})
	}
	labels := fleet.Labels(h)
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		t.Labels = append(t.Labels, key+"="+labels[key])
	}
	t.Actions = []templates.Action{
		{Label: "Rename", Icon: "edit", Href: hostURL(h.ID, "/rename"), Why: f.why(access.HostWrite)},
		{Label: "Rotate key", Icon: "refresh", Post: hostURL(h.ID, "/rotate"), Why: f.whyNoRotation()},
		{Label: "Install command", Icon: "terminal", Href: hostURL(h.ID, "/install"), Kind: templates.Primary, Why: f.why(access.HostEnrol)},
	}
	return t
}

// whyNoRotation says why the host cannot be given a new key while the old one lives on.
func (f *hostFacts) whyNoRotation() string {
	switch why := f.why(access.HostWrite); {
	case why != "":
		return why
	case f.host.NextKeySHA256 != nil:
		return "It has a new key already and gets it with its next synchronisation."
	case f.host.Roaming || len(f.host.AllowFrom) > 0:
		return "It may call from several addresses: whoever had its key would be given the new one. An install command replaces the key instead."
	}
	return ""
}

// behind reports whether the host has a login that is not its account's.
func (f *hostFacts) behind() bool {
	return len(f.host.AuthDigest) > 0 && f.current.Number != 0 && !bytes.Equal(f.host.AuthDigest, f.digest())
}

// alerts are what a person should know about the host before anything else.
func (f *hostFacts) alerts() (all []templates.Alert) {
	h := f.host
	if h.Status != "active" {
		all = append(all, templates.Alert{
			Tone: templates.Warn, Icon: "paused", Title: "This host is suspended.", Text: "Its calls are refused; its key, its binding and its usage stay.",
			Action: templates.Action{
				Label: "Resume", Post: hostURL(h.ID, "/set"), Kind: templates.Small, Why: f.why(access.HostWrite),
				Fields: []templates.Field{{Name: "name", Value: "enabled"}, {Name: "value", Value: "true"}},
			},
		})
	}
	if h.ExpiresAt != nil {
		alert := templates.Alert{Tone: templates.Info, Icon: "expires", Title: "This host is a temporary one.", Text: "Without a call it is removed at " + templates.Exact(*h.ExpiresAt) + "."}
		if !h.ExpiresAt.After(f.now) {
			alert.Tone, alert.Title, alert.Text = templates.Bad, "This host has expired.", "Its calls are refused since "+templates.Exact(*h.ExpiresAt)+"."
		}
		all = append(all, alert)
	}
	if token := f.standing.Token; token.Ready && h.LastSeenAt == nil {
		all = append(all, templates.Alert{Tone: templates.Info, Icon: "terminal", Title: "Its install command was not used yet.", Text: "It works once, until " + templates.Exact(token.ExpiresAt) + "."})
	} else if token.Ready {
		all = append(all, templates.Alert{Tone: templates.Warn, Icon: "terminal", Title: "An install command waits to be used.", Text: "The machine has no key until then; the command works once, until " + templates.Exact(token.ExpiresAt) + "."})
	}
	return all
}

// figures are the numbers that matter about the host.
func (f *hostFacts) figures() []templates.Figure {
	h := f.host
	seen := templates.Figure{Label: "Last seen", Amounts: templates.Amounts("Never", ""), Note: "it has not called yet"}
	if h.LastSeenAt != nil {
		seen.Amounts = templates.Span(f.now.Sub(*h.LastSeenAt))
		seen.Amounts[len(seen.Amounts)-1].Unit += " ago"
		seen.Note = templates.Exact(*h.LastSeenAt) + ", " + templates.Count(h.APICalls, "call for the login", "calls for the login")
	}
	codex := templates.Figure{Label: "Codex", Amounts: templates.Amounts(templates.Unknown, ""), Note: "it has not said yet"}
	if h.ClientVersion != nil && *h.ClientVersion != "" {
		codex.Amounts, codex.Note = templates.Amounts(*h.ClientVersion, ""), f.codexNote()
	}
	if h.WrapperVersion != nil && *h.WrapperVersion != "" {
		codex.Note += ", cdx " + *h.WrapperVersion
		if *h.WrapperVersion != f.version {
			codex.Note += ", to become " + f.version
		}
	}
	used := templates.Figure{Label: "Latest report", Amounts: templates.Amounts(templates.Unknown, ""), Note: "it has reported no tokens"}
	if last := f.details.LastUsage; last != nil {
		used.Note = templates.Relative(last.At, f.now) + ", " + templates.Exact(last.At)
		if last.Total != nil {
			used.Amounts, used.Exact = templates.Amounts(templates.Short(*last.Total), "tokens"), templates.Grouped(*last.Total)+" tokens"
		}
	}
	return []templates.Figure{seen, f.loginFigure(), codex, used}
}

// loginFigure is which login the host has.
func (f *hostFacts) loginFigure() templates.Figure {
	login := templates.Figure{Label: "Login", Amounts: templates.Amounts("None", ""), Note: "it takes the login with its next call"}
	switch {
	case len(f.host.AuthDigest) == 0 && f.current.Number == 0:
		login.Note = "the fleet has none yet"
	case len(f.host.AuthDigest) == 0:
	case f.standing.Has == 0:
		login.Amounts, login.Note = templates.Amounts("Its own", ""), "no generation of the fleet's"
	default:
		login.Amounts = []templates.Amount{{Value: templates.Grouped(f.standing.Has), Unit: "generation"}}
		login.Note = "current"
		if f.behind() {
			login.Note = fmt.Sprintf("the fleet is at %s, which it gets at its next call", templates.Grouped(f.current.Number))
		}
	}
	if f.host.LastRefresh != nil {
		if at, err := time.Parse(time.RFC3339Nano, *f.host.LastRefresh); err == nil {
			login.Note += "; refreshed " + templates.Relative(at, f.now)
		}
	}
	return login
}

// codexNote compares the Codex that the host came with to the one that it is to run.
func (f *hostFacts) codexNote() string {
	target, whose := f.policy.ClientVersion, "the fleet's"
	if f.host.ClientVersionPin != nil {
		target, whose = *f.host.ClientVersionPin, "its own"
	}
	switch target {
	case "":
		return "no version is locked"
	case *f.host.ClientVersion:
		return "on target, " + whose
	}
	return "to become " + target + ", " + whose + " target"
}

// identity is what the host is known by.
func (f *hostFacts) identity() templates.HostIdentity {
	h := f.host
	d := templates.HostIdentity{
		Key: h.KeyPrefix + "…", KeyNote: f.keyNote(), Roams: h.Roaming || len(h.AllowFrom) > 0, AddrNote: f.addressNote(),
		Note: h.Note, Delivery: "It was handed no login yet.",
		Edit:     templates.Action{Label: "Labels and note", Href: hostURL(h.ID, "/notes"), Kind: templates.Small, Why: f.why(access.HostWrite)},
		DigestIs: templates.Mark{Icon: "never", Text: "No login"},
	}
	if h.BoundIP != nil {
		d.Address = h.BoundIP.String()
		d.Unbind = templates.Action{Label: "Reset", Post: hostURL(h.ID, "/unbind"), Kind: templates.Small, Why: f.why(access.HostWrite)}
	}
	for _, user := range f.details.Users {
		title := "first seen " + templates.Exact(user.FirstSeen.Time) + ", last seen " + templates.Exact(user.LastSeen.Time)
		if user.Hostname != nil {
			title += ", on " + *user.Hostname
		}
		d.Users = append(d.Users, templates.HostUser{Name: user.Username, Title: title})
	}
	if len(d.Users) == fleet.MaxDetailUsers {
		d.MoreText = "the " + strconv.Itoa(len(d.Users)) + " that were seen last"
	}
	if given := f.standing.Given; given.Number != 0 {
		d.Delivery = fmt.Sprintf("%s, generation %s last", deliveryWord(given.Mode), templates.Grouped(given.Number))
		d.More = append(d.More, templates.HostFact{Name: "Handed over", When: templates.Moment{At: given.At, Now: f.now}})
	}
	if len(h.AuthDigest) > 0 {
		d.Digest = hex.EncodeToString(h.AuthDigest)
		switch {
		case f.current.Number == 0:
			d.DigestIs = templates.Mark{Tone: templates.Info, Icon: "info", Text: "The fleet has none"}
		case f.behind():
			d.DigestIs = templates.Mark{Tone: templates.Info, Icon: "behind", Text: "Outdated"}
		default:
			d.DigestIs = templates.Mark{Tone: templates.OK, Icon: "ok", Text: "Canonical"}
		}
	}
	for _, digest := range f.details.RecentDigests {
		if digest != d.Digest {
			d.Before = append(d.Before, digest)
		}
	}
	labels := fleet.Labels(h)
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		d.Labels = append(d.Labels, templates.Field{Name: key, Value: labels[key]})
	}
	d.More = append(d.More, f.moreFacts()...)
	return d
}

// deliveryWord is how a login was handed over, in words.
func deliveryWord(mode string) string {
	if mode == "full" {
		return "Full: the whole auth.json"
	}
	return mode
}

// moreFacts are those that most hosts do not have.
func (f *hostFacts) moreFacts() (facts []templates.HostFact) {
	h := f.host
	if !h.MayStore {
		facts = append(facts, templates.HostFact{Name: "Uploads", Value: "wait for an admin", Note: "this host may not change the fleet's login"})
	}
	if len(h.PreviousFQDNs) > 0 {
		facts = append(facts, templates.HostFact{Name: "Was named", Value: strings.Join(h.PreviousFQDNs, ", ")})
	}
	if h.ExpiresAt != nil {
		facts = append(facts, templates.HostFact{Name: "Expires", When: f.moment(h.ExpiresAt), Note: "each call moves it on"})
	}
	if h.LastSeenAt != nil && f.silence() > 0 {
		due := h.LastSeenAt.Add(f.silence())
		facts = append(facts, templates.HostFact{Name: "Pruned", When: f.moment(&due), Note: "unless it calls before"})
	}
	return facts
}

func (f *hostFacts) keyNote() string {
	h := f.host
	if h.NextKeyPrefix == nil {
		return "its beginning; the key itself is nowhere"
	}
	note := "followed by " + *h.NextKeyPrefix + "…, which it gets with its next synchronisation"
	if h.KeyUntil != nil {
		note += "; this one ends " + templates.Exact(*h.KeyUntil) + " at the latest"
	}
	return note
}

func (f *hostFacts) addressNote() string {
	h := f.host
	switch {
	case len(h.AllowFrom) > 0:
		networks := make([]string, 0, len(h.AllowFrom))
		for _, network := range h.AllowFrom {
			networks = append(networks, network.String())
		}
		return "may call from " + strings.Join(networks, ", ")
	case h.Roaming:
		return "roaming: it may call from anywhere, this is the last address"
	case h.BoundIP == nil:
		return "the first address that it calls from becomes its own"
	}
	return "its key is good from here only"
}

// switches are what is on or off about the host.
func (f *hostFacts) switches() []templates.HostSwitch {
	h, why, post := f.host, f.why(access.HostWrite), hostURL(f.host.ID, "/set")
	all := []templates.HostSwitch{
		{Label: "Secure", Hint: "keeps the login on disk between runs", Name: "secure", On: h.Secure},
		{Label: "Roaming", Hint: "may call from another address", Name: "roaming", On: h.Roaming},
		{Label: "VIP", Hint: "is not held back by quota", Name: "vip", On: h.VIP},
		{Label: "IPv4 only", Hint: "cdx connects over IPv4; its address is asked anew", Name: "force_ipv4", On: h.ForceIPv4},
	}
	for i := range all {
		all[i].ID, all[i].Post, all[i].Why = "ho-s-"+all[i].Name, post, why
	}
	return all
}

// danger is what one does seldom.
func (f *hostFacts) danger() []templates.HostAct {
	h, why := f.host, f.why(access.HostWrite)
	suspend := templates.HostAct{
		Title: "Suspend", Text: "Refuses its calls until you resume it. Its key, its binding and its usage stay.",
		Do: templates.Action{
			Label: "Suspend", Icon: "paused", Post: hostURL(h.ID, "/set"), Kind: templates.Danger, Why: why,
			Fields: []templates.Field{{Name: "name", Value: "enabled"}, {Name: "value", Value: "false"}},
		},
	}
	if h.Status != "active" {
		suspend = templates.HostAct{
			Title: "Resume", Text: "Serves its calls again. Nothing about it has changed meanwhile.",
			Do: templates.Action{
				Label: "Resume", Icon: "power", Post: hostURL(h.ID, "/set"), Why: why,
				Fields: []templates.Field{{Name: "name", Value: "enabled"}, {Name: "value", Value: "true"}},
			},
		}
	}
	return []templates.HostAct{
		suspend,
		{
			Title: "Clear login record", Text: "Forgets which login it has. With its next call it takes the login afresh.",
			Do: templates.Action{Label: "Clear…", Icon: "undo", Href: hostURL(h.ID, "/clear"), Kind: templates.Danger, Why: why},
		},
		{
			Title: "Remove", Text: "Its key is dead at once, and it is no host any more.",
			Do: templates.Action{Label: "Remove…", Icon: "remove", Href: hostURL(h.ID, "/remove"), Kind: templates.Danger, Why: why},
		},
	}
}
