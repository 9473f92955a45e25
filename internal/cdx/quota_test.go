package cdx

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
)

func TestQuotaVerdict(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 14, 32, 18, 0, time.UTC)
	hard := &api.SyncPolicy{QuotaHardFail: true, QuotaLimitPercent: 95}
	said := func(primary, secondary string, rest ...string) string {
		return `{"status":"ok","fetched_at":"2026-11-23T14:28:00+00:00","primary_window":` + primary + `,"secondary_window":` + secondary + strings.Join(rest, "") + `}`
	}
	five := func(used string) string {
		return `{"used_percent":` + used + `,"limit_seconds":18000,"reset_after_seconds":6480,"reset_at":"1795450818"}`
	}
	week := func(used string) string {
		return `{"used_percent":` + used + `,"limit_seconds":604800,"reset_after_seconds":239520}`
	}
	for name, c := range map[string]struct {
		policy *api.SyncPolicy
		quota  string
		vip    bool
		want   string // of the text; "!" before it: refused
	}{
		"far":              {hard, said(five("38"), week("52")), false, ""},
		"one below":        {hard, said(five("84"), week("52")), false, ""},
		"near":             {hard, said(five("85"), week("52")), false, "5 hours is at 85%, the fleet's limit is 95%"},
		"just near":        {hard, said(five("38"), week("94")), false, "week is at 94%"},
		"over":             {hard, said(five("38"), week("95")), false, "!week is at 95%"},
		"exempt":           {hard, said(five("38"), week("95")), true, "week is at 95%"},
		"only warned":      {&api.SyncPolicy{QuotaLimitPercent: 95}, said(five("100"), week("1")), false, "5 hours is at 100%"},
		"no policy":        {nil, said(five("100"), week("1")), false, "limit is 100%"},
		"no limit":         {&api.SyncPolicy{QuotaHardFail: true}, said(five("99"), week("1")), false, "limit is 100%"},
		"low limit":        {&api.SyncPolicy{QuotaHardFail: true, QuotaLimitPercent: 10}, said(five("50"), week("1")), false, "!limit is 50%"},
		"high limit":       {&api.SyncPolicy{QuotaHardFail: true, QuotaLimitPercent: 1000}, said(five("99"), week("1")), false, "limit is 100%"},
		"absent":           {hard, `null`, false, ""},
		"empty":            {hard, `{}`, false, ""},
		"disabled":         {hard, strings.Replace(said(five("100"), week("100")), `"ok"`, `"disabled"`, 1), false, ""},
		"nulls":            {hard, said(`null`, `null`, `,"daily_used_percent":null`), false, ""},
		"unknown use":      {hard, said(five("null"), week("null")), false, ""},
		"strings":          {hard, said(five(`"97"`), week(`"1"`)), false, "!5 hours is at 97%"},
		"strings at all":   {hard, said(`"full"`, `"x"`), false, ""},
		"words":            {hard, said(five(`"all"`), week(`"NaN"`)), false, ""},
		"infinite":         {hard, said(five(`"Inf"`), week(`1`)), false, ""},
		"one of them odd":  {hard, said(`[1]`, week("96")), false, "!week is at 96%"},
		"huge":             {hard, said(five("1e300"), week("1")), false, "!5 hours is at 999%"},
		"negative":         {hard, said(five("-5"), week("-1e300")), false, ""},
		"reset has passed": {hard, said(strings.Replace(five("100"), "1795450818", "1795444337", 1), week("1")), false, ""},
		"no reset":         {hard, said(`{"used_percent":100,"limit_seconds":18000}`, `null`), false, "!5 hours is at 100%"},
		"not dated":        {hard, strings.Replace(said(five("100"), week("1")), "2026-11-23T14:28:00+00:00", "", 1), false, ""},
		"30 minutes old":   {hard, strings.Replace(said(five("100"), week("1")), "14:28:00", "14:02:18", 1), false, "!5 hours"},
		"older":            {hard, strings.Replace(said(five("100"), week("1")), "14:28:00", "14:02:17", 1), false, ""},
		"from the future":  {hard, strings.Replace(said(five("100"), week("1")), "14:28:00", "14:37:19", 1), false, ""},
		"reached":          {hard, strings.Replace(said(five("90"), week("1")), `"ok"`, `"limit_reached"`, 1), false, "!the account is at 100%"},
		"was reached": {hard, strings.Replace(said(strings.Replace(five("90"), "1795450818", "1795444337", 1), `null`), `"ok"`, `"limit_reached"`, 1),
			false, ""},
		"share of a day": {&api.SyncPolicy{QuotaHardFail: true, QuotaLimitPercent: 95, QuotaWeekPartition: 7},
			said(five("1"), week("20"), `,"daily_used_percent":14`), false, "!today's share of the week is at 100%"},
		"share of five": {&api.SyncPolicy{QuotaHardFail: true, QuotaLimitPercent: 95, QuotaWeekPartition: 5},
			said(five("1"), week("20"), `,"daily_used_percent":18`), false, "today's share of the week is at 90%"},
		"no shares": {&api.SyncPolicy{QuotaHardFail: true, QuotaLimitPercent: 95, QuotaWeekPartition: 3},
			said(five("1"), week("20"), `,"daily_used_percent":100`), false, ""},
		"share not known": {&api.SyncPolicy{QuotaHardFail: true, QuotaLimitPercent: 95, QuotaWeekPartition: 7},
			said(five("1"), week("20"), `,"daily_used_percent":"?"`), false, ""},
	} {
		b := blocks{api.BlockQuota: {Data: json.RawMessage(c.quota)}}
		got := quotaVerdict(c.policy, b.quotaNow(), c.vip, now)
		want, refused := strings.CutPrefix(c.want, "!")
		if got.refused != refused || !strings.Contains(got.text, want) || (want == "") != (got.text == "") {
			t.Errorf("%s: got %+v, want %q", name, got, c.want)
		}
	}
}

func FuzzQuotaNow(f *testing.F) {
	f.Add(`{"status":"ok","fetched_at":"2026-11-23T14:28:00Z","primary_window":{"used_percent":"9","reset_at":1e99}}`)
	f.Add(`{"status":1,"primary_window":[{}],"secondary_window":{"limit_seconds":-1,"reset_after_seconds":1e308}}`)
	f.Fuzz(func(t *testing.T, text string) {
		now := time.Date(2026, 11, 23, 14, 32, 18, 0, time.UTC)
		q := blocks{api.BlockQuota: {Data: json.RawMessage(text)}}.quotaNow()
		if v := quotaVerdict(nil, q, false, now); v.refused {
			t.Errorf("refused without a policy: %+v", v)
		}
	})
}
