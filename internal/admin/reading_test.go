package admin_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
)

// The audit trail is searched by host, actor, action or a group of them, and text; what hosts wrote into it is text there.
func TestLogs(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	loosen(t, o.Gateway)
	o.Exec(t, "DELETE FROM audit_entry")
	o.Exec(t, `INSERT INTO audit_entry (at, actor_kind, actor, action, host_id, ip, details) VALUES
		('2026-01-01', 'admin', 'alice', 'admin.host.vip', 7, '203.0.113.7', '{"vip": true, "fqdn": "a.example"}'),
		('2026-01-02', 'host', 'a.example', 'auth.store', 7, '2001:db8::1', '{"x": "<script>alert(1)</script>"}'),
		('2026-01-03', 'host', 'b.example', 'auth.store.quarantine', 8, NULL, '{}'),
		('infinity', 'gateway', 'cdxgate', 'authority', NULL, NULL, '{}')`)
	for query, want := range map[string]string{
		"": "authority auth.store.quarantine auth.store admin.host.vip", "?host_id=7": "auth.store admin.host.vip", "?host_id=9": "",
		"?actor=alice": "admin.host.vip", "?actor=ali": "", "?action=auth": "auth.store.quarantine auth.store", "?action=auth.store": "auth.store.quarantine auth.store",
		"?action=admin.host.vip": "admin.host.vip", "?action=auth.s": "", "?action=auth.store.quarantine": "auth.store.quarantine",
		"?q=SCRIPT": "auth.store", "?q=a.example": "auth.store admin.host.vip", "?q=%25": "", "?q=_": "", "?q=vip&host_id=8": "", "?q=B.example": "auth.store.quarantine",
	} {
		var page api.AdminLogs
		o.get(t, "/admin/logs"+query).Decode(t, &page)
		var got []string
		for _, entry := range page.Logs {
			got = append(got, entry.Action)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
	}
	var page api.AdminLogs
	o.get(t, "/admin/logs").Decode(t, &page)
	vip, script, bare := page.Logs[3], page.Logs[2], page.Logs[1]
	if *vip.Details != `{"vip":true,"fqdn":"a.example"}` || *vip.IP != "203.0.113.7" || vip.ActorKind != "admin" || *vip.HostID != 7 || !vip.CreatedAt.Equal(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("got %+v", vip)
	}
	if *script.Details != `{"x":"<script>alert(1)</script>"}` || bare.Details != nil || bare.IP != nil {
		t.Errorf("got %+v and %+v", script, bare)
	}
}

// loosen lets a test put entries into the audit trail by hand, as no gateway can.
func loosen(t *testing.T, g *gatewaytest.Gateway) {
	t.Helper()
	g.Exec(t, "ALTER TABLE audit_entry DISABLE TRIGGER USER")
	g.Exec(t, "ALTER TABLE audit_entry DROP CONSTRAINT audit_entry_linked")
}

// noon is when the clocks of some tests stand still.
var noon = time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)

// reported are reports of two hosts on several days; one of them has a price.
func reported(t *testing.T) (*office, int64) {
	t.Helper()
	g := gatewaytest.New(t, gatewaytest.Options{Now: func() time.Time { return noon }})
	o := &office{g, certified(t, g, "alice")}
	atlas, kiosk := o.registered(t, `{"fqdn":"atlas.example"}`).Host.ID, o.registered(t, `{"fqdn":"kiosk.example"}`).Host.ID
	for i, r := range []struct {
		host, total int64
		ago, cost   string
		ip          string
	}{
		{atlas, 100, "0 hours", "NULL", "203.0.113.10"}, {kiosk, 30, "0 hours", "0.5", "203.0.113.9"}, {atlas, 20, "3 days", "NULL", "2001:db8::1"}, {kiosk, 7, "100 days", "NULL", "203.0.113.9"},
	} {
		o.Exec(t, fmt.Sprintf(`WITH i AS (
				INSERT INTO usage_ingest (host_id, at, ip, entries, total, input, output, cached, reasoning, cost, body_sha256)
				VALUES ($1, '2026-06-15 00:00Z'::timestamptz - '%s'::interval, '%s', %d, $2, $2, 0, NULL, NULL, %s, sha256('x')) RETURNING *)
			INSERT INTO usage_entry (ingest_id, host_id, at, line, total, input, output, cost, model)
			SELECT id, host_id, at, 'total ' || total %% 10, total, input, output, cost, 'm' FROM i`, r.ago, r.ip, i+1, r.cost), r.host, r.total)
	}
	return o, kiosk
}

func TestIngests(t *testing.T) {
	t.Parallel()
	o, kiosk := reported(t)
	for query, want := range map[string]string{
		"": "30 100 20 7", "?direction=asc": "7 20 100 30", "?sort=total": "100 30 20 7", "?sort=total&direction=asc": "7 20 30 100",
		"?sort=entries": "7 20 30 100", "?sort=id&direction=asc": "100 30 20 7", "?sort=id": "7 20 30 100", "?sort=host&direction=asc": "100 20 30 7",
		"?sort=host": "7 30 20 100", "?sort=client_ip&direction=asc": "30 7 100 20", "?sort=client_ip": "20 100 7 30", "?sort=cost": "30 7 20 100", "?sort=cost&direction=asc": "30 100 20 7",
		"?sort=cached": "7 20 30 100", "?per_page=3": "30 100 20", "?per_page=3&page=2": "7", "?per_page=3&page=3": "",
		"?q=KIOSK": "30 7", "?q=.9": "30 7", "?q=db8": "20", "?q=%25": "", "?host_id=" + fmt.Sprint(kiosk): "30 7",
		"?host_id=" + fmt.Sprint(kiosk) + "&q=atlas": "", "?from=2026-06-12": "30 100 20", "?until=2026-06-12": "7", "?from=2026-06-12&until=2026-06-15": "20",
	} {
		var page api.AdminIngests
		o.get(t, "/admin/usage/ingests"+query).Decode(t, &page)
		var got []string
		for _, item := range page.Items {
			got = append(got, fmt.Sprint(*item.Total))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
	}
	var page api.AdminIngests
	o.get(t, "/admin/usage/ingests?per_page=3&page=2").Decode(t, &page)
	if page.Total != 4 || page.Pages != 2 || page.Page != 2 || page.PerPage != 3 || page.Currency != nil || *page.Items[0].FQDN != "kiosk.example" || *page.Items[0].ClientIP != "203.0.113.9" {
		t.Errorf("got %+v", page)
	}
	// A report that comes moves the pages that are named, and not those of a cursor.
	o.get(t, "/admin/usage/ingests?per_page=3").Decode(t, &page)
	next := "/admin/usage/ingests?per_page=3&cursor=" + *page.NextCursor
	o.Exec(t, "INSERT INTO usage_ingest (at, entries, body_sha256) VALUES ('2026-06-16', 1, sha256('x'))")
	if o.get(t, next).Decode(t, &page); page.Page != 2 || page.Pages != 2 || page.NextCursor != nil || len(page.Items) != 1 || *page.Items[0].Total != 7 {
		t.Errorf("got %+v", page)
	}
	if o.get(t, "/admin/usage/ingests?per_page=3&page=2").Decode(t, &page); len(page.Items) != 2 {
		t.Errorf("got %+v", page)
	}
	o.get(t, next+"&page=2").Invalid(t, "page", "a cursor says which page")
	o.Exec(t, "DELETE FROM usage_ingest WHERE at = '2026-06-16'")
	// A number is also the id of a report or of a host.
	o.get(t, fmt.Sprintf("/admin/usage/ingests?q=%d", kiosk)).Decode(t, &page)
	for _, item := range page.Items {
		if *item.HostID != kiosk && item.ID != kiosk && !strings.Contains(*item.ClientIP, fmt.Sprint(kiosk)) {
			t.Errorf("got %+v", item)
		}
	}
	if page.Total < 2 {
		t.Errorf("got %d reports", page.Total)
	}
	// A host that is gone leaves its reports.
	o.Exec(t, "DELETE FROM host WHERE id = $1", kiosk)
	o.get(t, "/admin/usage/ingests?sort=host&direction=asc").Decode(t, &page)
	if last := page.Items[3]; last.FQDN != nil || last.HostID != nil {
		t.Errorf("got %+v", last)
	}
}

func TestUsageInNumbers(t *testing.T) {
	t.Parallel()
	o, kiosk := reported(t)
	var usages api.AdminUsages
	o.get(t, fmt.Sprintf("/admin/usage?host_id=%d", kiosk)).Decode(t, &usages)
	if len(usages.Usages) != 2 || *usages.Usages[0].Total != 7 || *usages.Usages[1].Cost != 0.5 || *usages.Usages[1].FQDN != "kiosk.example" || usages.Usages[0].Cached != nil {
		t.Errorf("got %+v", usages)
	}
	var lines api.AdminTokens
	o.get(t, "/admin/tokens").Decode(t, &lines)
	if len(lines.Tokens) != 2 || *lines.Tokens[0].Line != "total 0" || lines.Tokens[0].Total != 150 || lines.Tokens[0].Events != 3 || *lines.Tokens[0].Cost != 0.5 || lines.Tokens[1].Cost != nil {
		t.Errorf("got %+v", lines)
	}

	for days, want := range map[int]struct{ points, total int64 }{1: {2, 130}, 60: {61, 150}, 180: {101, 157}} {
		var history api.CostHistory
		o.get(t, fmt.Sprintf("/admin/usage/cost-history?days=%d", days)).Decode(t, &history)
		if int64(len(history.Points)) != want.points || history.Days != days || history.HasPricing {
			t.Errorf("%d days: got %d points, want %d", days, len(history.Points), want.points)
		}
		total, date := int64(0), history.Since.Time
		for _, point := range history.Points {
			if point.Date != date.Format(time.DateOnly) {
				t.Errorf("%d days: got %s, want %s", days, point.Date, date)
			}
			if unknown := point.Costs.Total == nil; unknown != (point.Tokens.Total == 20 || point.Tokens.Total == 7) {
				t.Errorf("%d days: got %+v", days, point)
			}
			total, date = total+point.Tokens.Total, date.AddDate(0, 0, 1)
		}
		if total != want.total || !history.Until.Equal(noon.Truncate(24*time.Hour)) {
			t.Errorf("%d days: got %d tokens, want %d", days, total, want.total)
		}
	}

	var overview api.AdminOverview
	o.get(t, "/admin/overview").Decode(t, &overview)
	if top := overview.Tokens.TopHost; overview.Tokens.Total != 157 || overview.Tokens.Events != 4 || *overview.Tokens.Cost != 0.5 || top.FQDN != "atlas.example" || top.Total != 120 {
		t.Errorf("got %+v, %+v", overview.Tokens, top)
	}
	if overview.TokensDay.Total != 130 || overview.TokensWeek.Total != 150 || overview.TokensMonth.Total != 150 {
		t.Errorf("got %+v, %+v, %+v", overview.TokensDay, overview.TokensWeek, overview.TokensMonth)
	}
}

// The overview tells what hosts have and say; a version that is none is not compared.
func TestOverview(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 10, 0, 0, 0, 0, time.UTC)
	g := gatewaytest.New(t, gatewaytest.Options{Now: func() time.Time { return now }})
	o := &office{g, certified(t, g, "alice")}
	o.populate(t, 10)
	o.Exec(t, `UPDATE host SET client_version = CASE id % 5 WHEN 0 THEN '0.9.0' WHEN 1 THEN '0.63.0' WHEN 2 THEN 'newest' WHEN 3 THEN '99999999999999999999.0.0' ELSE '0.63.0-alpha' END`)
	o.Exec(t, "UPDATE host SET deleted_at = now(), deleted_why = 'inactive' WHERE fqdn = 'host-10.example'")
	o.data(t, o.post(t, "/admin/codex-version", `{"selection":"0.61.0"}`))
	var overview api.AdminOverview
	o.get(t, "/admin/overview").Decode(t, &overview)
	if overview.Totals.Hosts != 9 || *overview.Versions.ReportedClientVersion != "0.63.0" || !overview.HasCanonicalAuth || overview.SeedRequired {
		t.Errorf("got %+v", overview)
	}
	// Two hosts have each of the five logins, which are 8 to 4 days old; one that was pruned had the oldest.
	if age := *overview.AvgRefreshAgeDays; *overview.LastRefresh != "2026-01-05T00:00:00Z" || math.Abs(age-52.0/9) > 1e-6 {
		t.Errorf("got %s, %f days", *overview.LastRefresh, *overview.AvgRefreshAgeDays)
	}
	if *overview.ClientVersionLock != "0.61.0" || !overview.ClientVersionLockUpdatedAt.Equal(now) || overview.Versions.ClientVersionSource != "locked" {
		t.Errorf("got %s, %s", *overview.ClientVersionLock, overview.ClientVersionLockUpdatedAt)
	}
	if m := overview.MTLS; !m.Enforced || *m.Subject != "CN=alice" || len(*m.Fingerprint) != 64 {
		t.Errorf("got %+v", m)
	}
	if *overview.Versions.InstallationID != o.Core.InstallationID.String() || *overview.Versions.WrapperVersion != gatewaytest.Version {
		t.Errorf("got %+v", overview.Versions)
	}
}
