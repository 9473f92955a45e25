package quota_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/quota"
)

// said is a window in short: 10% of 5 h, reset 12:06.
func said(w quota.Window) string {
	if w == (quota.Window{}) {
		return "-"
	}
	used, reset := "?", "?"
	if w.UsedPercent != nil {
		used = fmt.Sprint(*w.UsedPercent)
	}
	if !w.ResetsAt.IsZero() {
		reset = w.ResetsAt.Format("02 15:04:05")
	}
	return used + "% of " + w.Label() + ", " + reset
}

func answerOf(rest string) string {
	return `{"plan_type":"pro","rate_limit":{"allowed":true,"limit_reached":false,` + rest + `}}`
}

const (
	hours = `{"used_percent":10,"limit_window_seconds":18000,"reset_after_seconds":360,"reset_at":1795608360}`
	days  = `{"used_percent":86,"limit_window_seconds":604800,"reset_after_seconds":14340,"reset_at":1795622340}`
)

func TestReadAnswer(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		answerOf(`"primary_window":` + hours + `,"secondary_window":` + days): "10% of 5 h, 25 12:06:00 | 86% of 7 d, 25 15:59:00",
		// Where they are does not matter.
		answerOf(`"primary_window":` + days + `,"secondary_window":` + hours):                                     "10% of 5 h, 25 12:06:00 | 86% of 7 d, 25 15:59:00",
		answerOf(`"primary_window":` + days + `,"secondary_window":null`):                                         "- | 86% of 7 d, 25 15:59:00",
		answerOf(`"primary_window":` + days):                                                                      "- | 86% of 7 d, 25 15:59:00",
		answerOf(`"secondary_window":` + hours):                                                                   "10% of 5 h, 25 12:06:00 | -",
		answerOf(`"primary_window":null,"secondary_window":null`):                                                 "- | -",
		`{"plan_type":"enterprise","rate_limit":null}`:                                                            "- | -",
		answerOf(`"primary_window":{"used_percent":10.99}`):                                                       "10% of unknown, ? | -",
		answerOf(`"primary_window":{"used_percent":"10","limit_window_seconds":"18000","reset_at":"1795608360"}`): "10% of 5 h, 25 12:06:00 | -",
		answerOf(`"primary_window":{"used_percent":0,"limit_window_seconds":18000,"reset_after_seconds":60}`):     "0% of 5 h, 25 12:01:00 | -",
		answerOf(`"primary_window":{"used_percent":1,"limit_window_seconds":-5,"reset_at":-1}`):                   "1% of unknown, ? | -",
		answerOf(`"primary_window":{"used_percent":1,"limit_window_seconds":1e300,"reset_at":1e300}`):             "1% of unknown, ? | -",
		// A reset that lies beyond the window's length is unknown, however it is written; seconds are believed where the time is not.
		answerOf(`"primary_window":{"used_percent":100,"limit_window_seconds":18000,"reset_at":253402300799}`):                                       "100% of 5 h, ? | -",
		answerOf(`"primary_window":{"used_percent":100,"limit_window_seconds":18000,"reset_at":1795608360000}`):                                      "100% of 5 h, ? | -",
		answerOf(`"primary_window":{"used_percent":100,"limit_window_seconds":18000,"reset_at":253402300799,"reset_after_seconds":60}`):              "100% of 5 h, 25 12:01:00 | -",
		answerOf(`"primary_window":{"used_percent":100,"limit_window_seconds":18000,"reset_after_seconds":31622400}`):                                "100% of 5 h, ? | -",
		answerOf(`"primary_window":{"used_percent":100,"reset_at":253402300799}`):                                                                    "100% of unknown, ? | -",
		answerOf(`"primary_window":{"used_percent":100,"limit_window_seconds":18000,"reset_at":"2026-11-25T13:00:00Z"}`):                             "100% of 5 h, ? | -",
		answerOf(`"primary_window":{"used_percent":NaN,"limit_window_seconds":18000}`):                                                               "error",
		answerOf(`"primary_window":{"used_percent":"NaN","limit_window_seconds":18000}`):                                                             "error",
		answerOf(`"primary_window":{"used_percent":1e400,"limit_window_seconds":18000}`):                                                             "error",
		answerOf(`"primary_window":{"used_percent":150,"limit_window_seconds":18000}`):                                                               "150% of 5 h, ? | -",
		answerOf(`"primary_window":{"used_percent":[],"limit_window_seconds":{},"reset_at":[],"reset_after_seconds":{}},"secondary_window":` + days): "- | 86% of 7 d, 25 15:59:00",
		answerOf(`"primary_window":{"used_percent":-1},"secondary_window":` + days):                                                                  "- | 86% of 7 d, 25 15:59:00",
		answerOf(`"primary_window":{"used_percent":100000}`):                                                                                         "error",
		answerOf(`"primary_window":{"used_percent":null}`):                                                                                           "error",
		answerOf(`"primary_window":{"used_percent":true}`):                                                                                           "error",
		answerOf(`"primary_window":[]`):       "error",
		answerOf(`"windows":[]`):              "error",
		`{"plan_type":"pro"}`:                 "error",
		`{"plan_type":"pro","rate_limit":[]}`: "error",
		`{}`:                                  "error", `[]`: "error", `null`: "error", `5`: "error", ``: "error", `<html>`: "error", `{"rate_limit":null`: "error",
	} {
		s, err := quota.ReadAnswer([]byte(body), noon)
		got := said(s.Short) + " | " + said(s.Long)
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%s: got %s, %v; want %s", body, got, err, want)
		}
	}
}

func TestReadAnswerBesideTheWindows(t *testing.T) {
	t.Parallel()
	s, err := quota.ReadAnswer([]byte(`{"plan_type":" pro ","rate_limit":null,"credits":{"has_credits":false,"unlimited":true,"balance":"0","approx_local_messages":[0,12],"approx_cloud_messages":[1]},"email":"a@b.example"}`), noon)
	if err != nil || s.Plan != "pro" || s.HasCredits == nil || *s.HasCredits || s.Unlimited == nil || !*s.Unlimited || s.CreditBalance != "0" || fmt.Sprint(s.LocalMessages) != "[0 12]" || s.CloudMessages != nil {
		t.Errorf("got %+v, %v", s, err)
	}
	s, err = quota.ReadAnswer([]byte(`{"plan_type":"\u001b[31m","rate_limit":null,"credits":{"has_credits":"yes","balance":12.5,"approx_local_messages":[-1,2]}}`), noon)
	if err != nil || s.Plan != "" || s.HasCredits != nil || s.CreditBalance != "12.5" || s.LocalMessages != nil || s.Allowed != nil || s.Reached != nil {
		t.Errorf("got %+v, %v", s, err)
	}
	s, err = quota.ReadAnswer([]byte(`{"plan_type":"`+strings.Repeat("p", 65)+`","rate_limit":null,"credits":[]}`), noon)
	if err != nil || s.Plan != "" {
		t.Errorf("got %+v, %v", s, err)
	}
}

func report(primary string) string {
	return `{"limit_id":"codex","primary":` + primary + `,"secondary":null,"plan_type":"plus"}`
}

func TestReadReport(t *testing.T) {
	t.Parallel()
	window := func(used, minutes, resets string) string {
		return `{"used_percent":` + used + `,"window_minutes":` + minutes + `,"resets_at":` + resets + `}`
	}
	in := func(d time.Duration) string { return fmt.Sprint(noon.Add(d).Unix()) }
	for body, want := range map[string]string{
		report(window("12.5", "300", in(time.Hour))):   "12% of 5 h, 25 13:00:00 | -",
		report(window("40", "10080", in(3*day))):       "- | 40% of 7 d, 28 12:00:00",
		report(window("1000", "300", in(time.Hour))):   "1000% of 5 h, 25 13:00:00 | -",
		report(window("1001", "300", in(time.Hour))):   "error",
		report(window("-1", "300", in(time.Hour))):     "error",
		report(window("null", "300", in(time.Hour))):   "error",
		report(window("12", "0", in(time.Hour))):       "error",
		report(window("12", "1e9", in(time.Hour))):     "error",
		report(window("12", "null", in(time.Hour))):    "error",
		report(window("12", "300", "null")):            "error",
		report(window("12", "300", in(0))):             "error", // over when it was seen
		report(window("12", "300", in(-time.Hour))):    "error",
		report(window("12", "300", in(29*time.Hour))):  "12% of 5 h, 26 17:00:00 | -",
		report(window("12", "300", in(30*time.Hour))):  "error",
		report(window(`"0x10"`, "300", in(time.Hour))): "error",
		report(window(`"Inf"`, "300", in(time.Hour))):  "error",
		report(window(`[1]`, "300", in(time.Hour))):    "error",
		report(`null`): "error",
		report(`[]`):   "error",
		report(`"x"`):  "error",
		`{"limit_id":"codex_other","primary":` + window("12", "300", in(time.Hour)) + `}`:                "error",
		`{"limit_id":5,"primary":` + window("12", "300", in(time.Hour)) + `}`:                            "error",
		`{"primary":` + window("12", "300", in(time.Hour)) + `}`:                                         "12% of 5 h, 25 13:00:00 | -",
		`{"primary":` + window("12", "300", in(time.Hour)) + `,"x":"` + strings.Repeat("x", 4096) + `"}`: "error",
		`{}`: "error", `[]`: "error", `null`: "error", `7`: "error", `"` + strings.Repeat("x", 100) + `"`: "error",
	} {
		s, err := quota.ReadReport(json.RawMessage(body), noon)
		got := said(s.Short) + " | " + said(s.Long)
		if err != nil {
			got = "error"
			if refusal := errs.Of(err); refusal.Kind != errs.Invalid || refusal.Fields["usage.rate_limits"] == nil {
				t.Errorf("%s: got %v, want a refusal of the field", body, err)
			}
		}
		if got != want {
			t.Errorf("%.200s: got %s, %v; want %s", body, got, err, want)
		}
	}
}

// Whatever comes, what is believed fits the database, and never is a number that was not said.
func FuzzReadAnswer(f *testing.F) {
	for _, seed := range []string{answerOf(`"primary_window":` + hours + `,"secondary_window":` + days), `{"rate_limit":null,"credits":{"balance":1e5,"approx_local_messages":[1,2]}}`, report(hours)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		answer, err := quota.ReadAnswer(body, noon)
		if err == nil {
			plausible(t, &answer)
		}
		if err != nil && (len(body) > 8 && strings.Contains(err.Error(), string(body))) {
			t.Fatalf("the refusal quotes what came: %v", err)
		}
		reported, err := quota.ReadReport(body, noon)
		if err != nil {
			return
		}
		plausible(t, &reported)
		for _, w := range []quota.Window{reported.Short, reported.Long} {
			if w != (quota.Window{}) && (w.UsedPercent == nil || w.Length <= 0 || !w.ResetsAt.After(noon)) {
				t.Fatalf("got %+v of a host", w)
			}
		}
	})
}

func plausible(t *testing.T, s *quota.Snapshot) {
	t.Helper()
	if len(s.Plan) > 64 || len(s.CreditBalance) > 64 || len(s.LocalMessages) > 2 || len(s.CloudMessages) > 2 {
		t.Fatalf("got %+v", s)
	}
	for _, w := range []quota.Window{s.Short, s.Long} {
		if w.UsedPercent != nil && (*w.UsedPercent < 0 || *w.UsedPercent > 1000) || w.Length < 0 || w.Length > 366*day || w.Length%time.Second != 0 || w.ResetsAt.Year() > 9999 {
			t.Fatalf("got %+v", w)
		}
		if percent := w.Projection(noon); percent < 0 {
			t.Fatalf("got a projection of %g from %+v", percent, w)
		}
	}
	if s.Short.Length > 0 && s.Long.Length > 0 && s.Short.Length > s.Long.Length {
		t.Fatalf("got %s before %s", s.Short.Label(), s.Long.Label())
	}
}

func TestInterval(t *testing.T) {
	t.Parallel()
	at := func(used int, reset time.Duration) *quota.Snapshot {
		return &quota.Snapshot{FetchedAt: noon, Long: week(used, noon.Add(reset))}
	}
	for name, c := range map[string]struct {
		s    *quota.Snapshot
		want time.Duration
	}{
		"little used":     {at(10, 3*day), 15 * time.Minute},
		"much":            {at(70, 3*day), 10 * time.Minute},
		"nearly all":      {at(90, 3*day), 5 * time.Minute},
		"ChatGPT says so": {&quota.Snapshot{FetchedAt: noon, Reached: new(true), Long: week(1, noon.Add(day))}, 5 * time.Minute},
		"nothing known":   {&quota.Snapshot{FetchedAt: noon}, 15 * time.Minute},
		"reset soon":      {at(10, 8*time.Minute), 8*time.Minute + 30*time.Second},
		"reset at once":   {at(10, time.Second), 5 * time.Minute},
		"reset was":       {at(10, -time.Minute), 15 * time.Minute},
	} {
		if got := quota.Interval(c.s); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}

func TestBackOff(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		code     string
		after    time.Duration
		failures int
		want     time.Duration
	}{
		{quota.CodeUnreachable, 0, 1, 5 * time.Minute}, {quota.CodeUpstream, 0, 2, 10 * time.Minute}, {quota.CodeUpstream, 0, 4, 40 * time.Minute},
		{quota.CodeUpstream, 0, 5, time.Hour}, {quota.CodeUnreadable, 0, 1 << 30, time.Hour},
		{quota.CodeLimited, 0, 1, 15 * time.Minute}, {quota.CodeForbidden, 0, 2, 30 * time.Minute}, {quota.CodeRefused, 0, 50, 6 * time.Hour},
		{quota.CodeLimited, time.Second, 1, 15 * time.Minute}, {quota.CodeLimited, 2 * time.Hour, 1, 2 * time.Hour}, {quota.CodeUpstream, 20 * time.Hour, 9, 20 * time.Hour},
		{quota.CodeNoTokens, 0, 1, 6 * time.Hour},
	} {
		if got := quota.BackOff(quota.WithRetry(c.code, c.after), c.failures); got != c.want {
			t.Errorf("%s, the %dth, Retry-After %s: got %s, want %s", c.code, c.failures, c.after, got, c.want)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"": 0, "120": 2 * time.Minute, " 7 ": 7 * time.Second, "-5": 0, "1.5": 0, "soon": 0, "99999999": 24 * time.Hour, "99999999999999999999": 0,
		"Wed, 25 Nov 2026 12:10:00 GMT": 10 * time.Minute, "Wed, 25 Nov 2026 11:00:00 GMT": 0, "Wed, 25 Nov 2099 11:00:00 GMT": 24 * time.Hour,
	} {
		if got := quota.RetryAfter(text, noon); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}
