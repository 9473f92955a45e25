package dashboard

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/a-h/templ"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/templates"
)

// handleAudit adds the audit trail and its exports.
func (s *Surface) handleAudit() {
	s.page(pathAudit, access.AuditRead, s.audit)
	s.file(pathAuditLines, access.AuditRead, s.auditLines)
	s.file(pathAuditSheet, access.AuditRead, s.auditSheet)
}

// audit serves the audit trail: what is found of it, and how far it is signed.
func (s *Surface) audit(v *visit) (page, error) {
	view := parseAuditView(v.URL.Query())
	found, err := s.auditFound(v, view)
	if err != nil {
		return page{}, err
	}
	var heads []audit.Head
	if v.wants("au-chains") {
		if heads, err = s.cfg.Audit.Heads(v.Context()); err != nil {
			return page{}, err
		}
	}
	shown := templates.AuditPage{Chains: auditChains(heads, v.now), Filter: view.filter(), List: auditList(view, found, v.now, s.has)}
	answer := page{
		Title: "Audit", Path: pathAudit, Body: templates.Audit(shown),
		Parts: map[string]templ.Component{"au-chains": templates.AuditChainState(shown.Chains), "au-list": templates.AuditEntries(shown.List)},
	}
	if view.problem != "" {
		answer.Status = http.StatusUnprocessableEntity
	}
	return answer, nil
}

// auditFound is a part of what a view looks for, the newest first.
type auditFound struct {
	rows  []db.AuditPageRow
	newer bool // there are newer entries
	older bool
}

// auditFound reads the part. Nothing is read for a view with a problem.
func (s *Surface) auditFound(v *visit, view *auditView) (*auditFound, error) {
	params, err := s.auditParams(v, view)
	if err != nil || view.problem != "" || !v.wants("au-list") {
		return &auditFound{}, err
	}
	params.Max = int32(view.size) + 1 //nolint:gosec // one of a few sizes; one more tells whether there is another part
	switch {
	case view.before > 0:
		params.After = &view.before
	case view.after > 0:
		params.After, params.Descending = &view.after, false
	}
	rows, err := s.cfg.Store.Replanned().AuditPage(v.Context(), params)
	if err != nil {
		return nil, fmt.Errorf("reading the audit trail: %w", err)
	}
	more := int64(len(rows)) > view.size
	if more {
		rows = rows[:view.size]
	}
	found := &auditFound{rows: rows, newer: view.before > 0, older: more}
	if !params.Descending {
		slices.Reverse(rows)
		found.newer, found.older = more, true
	}
	return found, nil
}

// auditList makes the list of what was found.
func auditList(view *auditView, found *auditFound, now time.Time, has func(string) bool) templates.AuditList {
	list := templates.AuditList{
		Problem: view.problem,
		Empty:   templates.Empty{Title: "Nothing is on record yet", Text: "Every act on this gateway is kept here: by admins, hosts, the console and the gateway itself."},
		Exports: []templates.Action{
			{Label: "CSV", Icon: "download", Href: view.address(pathAuditSheet, "", 0), Kind: templates.Small},
			{Label: "JSON Lines", Icon: "download", Href: view.address(pathAuditLines, "", 0), Kind: templates.Small},
		},
	}
	if view.looksFor() || view.before > 0 || view.after > 0 {
		list.Empty = templates.Empty{
			Title: "Nothing on record matches", Text: "Look for less, or for a longer time. An action matches as a whole, or by its beginning up to a dot.",
			Actions: []templates.Action{{Label: "Show everything", Href: pathAudit}},
		}
	}
	if view.before == 0 && !found.newer {
		list.Self = view.address(pathAudit, "", 0)
	}
	for i := range found.rows {
		list.Entries = append(list.Entries, auditEntry(&found.rows[i], view, now, has))
	}
	if n := len(found.rows); n > 0 {
		first, last := found.rows[0].ID, found.rows[n-1].ID
		list.Pager.Text = templates.Count(int64(n), "entry", "entries") + ", " + templates.Grouped(first) + " to " + templates.Grouped(last)
		if found.older {
			list.Pager.Next = view.address(pathAudit, "before", last)
		}
		if found.newer {
			list.Pager.First, list.Pager.Prev = view.address(pathAudit, "", 0), view.address(pathAudit, "after", first)
		}
	} else if found.newer {
		list.Pager.First, list.Pager.Prev = view.address(pathAudit, "", 0), view.address(pathAudit, "after", view.before-1)
	}
	return list
}

// auditExact is a moment to the second, as whoever reads a trail wants it.
func auditExact(at time.Time) string { return at.UTC().Format("Mon 2 Jan 2006, 15:04:05 UTC") }

// auditEntry makes an entry of its row.
func auditEntry(row *db.AuditPageRow, view *auditView, now time.Time, has func(string) bool) templates.AuditEntry {
	names := map[int64]string{}
	if row.HostID != nil {
		names[*row.HostID] = row.FQDN
	}
	said := readDetails(row.Details)
	entry := templates.AuditEntry{
		ID: row.ID, Event: event(row, names, now), ActorIcon: "user", ActorURL: view.instead("actor", row.Actor), Action: row.Action,
		ActionURL: view.instead("action", row.Action), Summary: said.summary(), Changes: said.changes, Facts: said.facts,
		Exact: auditExact(row.At), From: row.IP, Request: row.RequestID, JSON: string(auditJSON(row)),
	}
	for _, kind := range auditKinds {
		if kind.value == row.ActorKind {
			entry.ActorIcon = kind.icon
		}
	}
	if row.HostID != nil {
		entry.Host = row.FQDN
		if has("/dashboard/hosts/{}") && row.FQDN != "" {
			entry.HostURL = "/dashboard/hosts/" + strconv.FormatInt(*row.HostID, 10)
		}
		if row.FQDN == "" {
			entry.Host = "host " + strconv.FormatInt(*row.HostID, 10) + ", gone"
		}
	}
	if row.Chain != "" {
		entry.Place = "number " + templates.Grouped(row.Seq) + " of the chain " + row.Chain
	}
	return entry
}

// signedSoon is how long an entry may wait for its signature before something is wrong: several times as long as it takes.
const signedSoon = time.Minute

// auditChains says how far the chains are signed, the worst of them first.
func auditChains(heads []audit.Head, now time.Time) templates.AuditChains {
	c := templates.AuditChains{Tone: templates.OK, Title: "Signed", Command: "cdxgate audit verify"}
	var signed, chains int64
	var newest, late time.Time
	for _, head := range heads {
		if head.Fault != nil {
			c.Tone, c.Title = templates.Bad, "The trail is not what was recorded"
			c.Text = "Chain " + head.Chain + ", entry " + templates.Grouped(head.Fault.Seq) + ": " + head.Fault.What + ". Nothing more of it is signed."
			return c
		}
		if head.Seq == 0 {
			continue
		}
		chains++
		signed += head.Signed
		if head.SignedAt.After(newest) {
			newest = head.SignedAt
		}
		if at := head.UnsignedAt; !at.IsZero() && now.Sub(at) > signedSoon && (late.IsZero() || at.Before(late)) {
			late = at
			c.Tone, c.Title = templates.Warn, "Not signed since "+auditExact(at)
			c.Text = templates.Count(head.Seq-head.Signed, "entry", "entries") + " of the chain " + head.Chain + " wait for the gateway that keeps it, which is off or finds something wrong with it."
		}
	}
	switch {
	case !late.IsZero():
	case signed == 0:
		c.Tone, c.Title, c.Text = templates.Info, "Nothing is signed yet", "The first signature comes within seconds of the first entry."
	default:
		c.Title = "Signed until " + auditExact(newest)
		c.Text = templates.Count(signed, "entry", "entries") + " in " + templates.Count(chains, "chain", "chains") + "; what was signed last is there as it was."
	}
	return c
}
