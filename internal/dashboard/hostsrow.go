package dashboard

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/semver"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/templates"
)

// hostColumn is a column of the list besides the host's name.
type hostColumn struct {
	key, label string
	sort       string // the order that its heading sorts by; "": it does not
	rank       string // see templates.Sort
	numeric    bool
	usual      bool // shown unless others were chosen; that of windows only while an insecure host is listed
}

var hostColumns = []hostColumn{
	{key: "state", label: "State", usual: true},
	{key: "seen", label: "Last seen", sort: fleet.SortSeen, usual: true},
	{key: "login", label: "Login", usual: true},
	{key: "codex", label: "Codex", sort: fleet.SortCodex, rank: "p2", usual: true},
	{key: "cdx", label: "cdx", sort: fleet.SortCdx, rank: "p3", usual: true},
	{key: "address", label: "Address", sort: fleet.SortAddress, rank: "p2", usual: true},
	{key: "users", label: "Users", numeric: true},
	{key: "calls", label: "Calls", sort: fleet.SortCalls, numeric: true},
	{key: "added", label: "Added", sort: fleet.SortCreated},
	{key: "note", label: "Note"},
	{key: "window", label: "Window", sort: fleet.SortWindow, numeric: true, usual: true},
}

// hostSortNames are the orders in words.
var hostSortNames = map[string]string{
	fleet.SortName: "By name", fleet.SortSeen: "By last contact", fleet.SortCreated: "By when added", fleet.SortCalls: "By calls",
	fleet.SortWindow: "By window", fleet.SortCodex: "By Codex version", fleet.SortCdx: "By cdx version", fleet.SortAddress: "By address",
}

// columns are those that are shown.
func (f *hostsFacts) columns() (shown []hostColumn) {
	insecure := slices.ContainsFunc(f.page.Hosts, func(h db.Host) bool { return !h.Secure })
	for _, column := range hostColumns {
		usual := column.usual && (column.key != "window" || insecure)
		if slices.Contains(f.view.cols, column.key) || f.view.cols == nil && usual {
			shown = append(shown, column)
		}
	}
	return shown
}

// newestFirst are the orders whose first click shows the newest, or the most.
var newestFirst = []string{fleet.SortSeen, fleet.SortCreated, fleet.SortCalls}

// head is the column's heading.
func (c hostColumn) head(l *hostsView) templates.HostsColumn {
	head := templates.HostsColumn{Key: c.key, Sort: templates.Sort{Label: c.label, Numeric: c.numeric, Rank: c.rank}}
	if c.sort == "" {
		return head
	}
	next := *l
	next.query.Sort, next.query.Desc = c.sort, slices.Contains(newestFirst, c.sort)
	if l.query.Sort == c.sort {
		next.query.Desc = !l.query.Desc
		head.Order = map[bool]string{false: "ascending", true: "descending"}[l.query.Desc]
	}
	head.Href = "?" + next.address().Encode()
	return head
}

// maxTags is how many labels a row shows.
const maxTags = 2

// row is a host in the list.
func (f *hostsFacts) row(h *db.Host) templates.HostRow {
	beside := f.beside[h.ID]
	if beside == nil { // it went meanwhile
		beside = &db.HostBesideRow{}
	}
	name, domain, dotted := strings.Cut(h.FQDN, ".")
	if dotted {
		domain = "." + domain
	}
	state := stateOf(h, beside.CanonicalDigest, time.Duration(f.policy.InactivityWindowDays)*24*time.Hour, f.now)
	row := templates.HostRow{
		ID: h.ID, FQDN: h.FQDN, Name: name, Domain: domain, Href: hostAddress(f.has, h.ID), VIP: h.VIP, IPv4: h.ForceIPv4, Insecure: !h.Secure,
		Added: f.moment(&h.CreatedAt), Due: f.due(h, beside), Tags: hostTags(h),
		State: templates.HostRowState{Icon: state.Icon, Label: state.Label, Tone: state.Tone, Off: state.Off},
		Seen:  f.moment(h.LastSeenAt), Login: f.heldLogin(h, beside), Address: hostAddressCell(h),
		Codex: versionCell(h.ClientVersion, cmp.Or(textOr(h.ClientVersionPin), f.policy.ClientVersion)), Cdx: versionCell(h.WrapperVersion, f.version),
		Users: templates.Grouped(beside.Users), Calls: templates.Grouped(h.APICalls), Note: h.Note, Window: f.window(h),
	}
	if h.ClientVersionPin != nil {
		row.Codex.Pinned = "Pinned to " + *h.ClientVersionPin
	}
	return row
}

func (f *hostsFacts) moment(at *time.Time) templates.Moment {
	if at == nil {
		return templates.Moment{Now: f.now}
	}
	return templates.Moment{At: *at, Now: f.now}
}

// due says what becomes of a host that has never come.
func (f *hostsFacts) due(h *db.Host, beside *db.HostBesideRow) string {
	removal := h.UpdatedAt.Add(fleet.ProvisionWithin).Sub(f.now)
	switch {
	case h.LastSeenAt != nil:
		return ""
	case beside.Installed:
		return "installed, has not run yet"
	case !beside.InstallUntil.IsZero():
		return "install command ends in " + templates.Length(beside.InstallUntil.Sub(f.now))
	case h.ExpiresAt != nil:
		return ""
	case removal > 0:
		return "removed in " + templates.Length(removal)
	}
	return "removed soon"
}

// hostTags are the labels of a host, the first by name, and how many more there are.
func hostTags(h *db.Host) (shown []templates.HostRowTag) {
	labels := fleet.Labels(h)
	for i, key := range slices.Sorted(maps.Keys(labels)) {
		if i == maxTags {
			return append(shown, templates.HostRowTag{Text: "+" + templates.Grouped(int64(len(labels)-maxTags))})
		}
		shown = append(shown, templates.HostRowTag{Text: key + "=" + labels[key]})
	}
	return shown
}

// heldLogin is which login a host is known to have.
func (f *hostsFacts) heldLogin(h *db.Host, beside *db.HostBesideRow) templates.HostRowLogin {
	login := templates.HostRowLogin{At: f.moment(nil)}
	switch {
	case len(h.AuthDigest) == 0 && !h.Secure:
		login.Text = "not kept"
		return login
	case len(h.AuthDigest) == 0:
		login.Text = "none"
		return login
	case beside.Held > 0:
		login.Text = "gen " + templates.Grouped(beside.Held)
	default:
		login.Text = "unknown"
	}
	login.Has = true
	if isBehind(h, beside) {
		login.Behind = "The fleet's is generation " + templates.Grouped(beside.Canonical)
	}
	if at, err := time.Parse(time.RFC3339Nano, textOr(h.LastRefresh)); err == nil {
		login.At = f.moment(&at)
	}
	return login
}

// isBehind reports whether a host is known to have a login, and not the one that its account has now.
func isBehind(h *db.Host, beside *db.HostBesideRow) bool {
	return len(h.AuthDigest) > 0 && len(beside.CanonicalDigest) > 0 && !bytes.Equal(h.AuthDigest, beside.CanonicalDigest)
}

// hostAddressCell is where a host may call from.
func hostAddressCell(h *db.Host) templates.HostRowAddress {
	switch {
	case len(h.AllowFrom) > 0:
		a := templates.HostRowAddress{Icon: "roaming", Text: h.AllowFrom[0].String(), How: "May call from its networks"}
		if more := len(h.AllowFrom) - 1; more > 0 {
			a.Text += " +" + templates.Grouped(int64(more))
		}
		return a
	case h.BoundIP == nil:
		return templates.HostRowAddress{Text: templates.Unknown, How: "Bound to the first address that it calls from"}
	case h.Roaming:
		return templates.HostRowAddress{Icon: "roaming", Text: h.BoundIP.String(), How: "Roaming: it may call from elsewhere"}
	}
	return templates.HostRowAddress{Icon: "locked", Text: h.BoundIP.String(), How: "Bound to this address"}
}

// window is an insecure host's window; the zero value: it has none.
func (f *hostsFacts) window(h *db.Host) templates.HostRowWindow {
	if h.Secure {
		return templates.HostRowWindow{}
	}
	w := templates.HostRowWindow{There: true, Why: f.why(access.HostWrite)}
	switch {
	case windowOpen(h, f.now):
		w.Open = f.moment(h.InsecureUntil)
	case h.GraceUntil != nil && h.GraceUntil.After(f.now):
		w.Grace = f.moment(h.GraceUntil)
	}
	return w
}

// unknownVersion is what is kept when a host reports no version.
const unknownVersion = "unknown"

// versionCell compares a version with the one that a host should have; target "": nobody said which.
func versionCell(version *string, target string) templates.HostRowVersion {
	text := textOr(version)
	if text == "" || text == unknownVersion {
		return templates.HostRowVersion{Text: templates.Unknown}
	}
	cell := templates.HostRowVersion{Text: text}
	is, should := "v"+text, "v"+strings.TrimPrefix(target, "v")
	switch {
	case target == "" || is == should:
	case !semver.IsValid(is) || !semver.IsValid(should):
		cell.Newer = "Should be " + target
	case semver.Compare(is, should) < 0:
		cell.Older = "Older than " + target
	case semver.Compare(is, should) > 0:
		cell.Newer = "Newer than " + target
	}
	return cell
}

func textOr(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

// wireMoment is a time for files; "": there is none.
func wireMoment(at *time.Time) string {
	if at == nil {
		return ""
	}
	return at.UTC().Format(api.TimeFormat)
}
