package operator

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/credential/authtest"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
	"github.com/cdxgate/cdxgate/internal/quota"
)

// askingDesk is a desk whose configuration names a ChatGPT.
func askingDesk(t *testing.T) (*desk, *gatewaytest.ChatGPT) {
	t.Helper()
	d, now := newDesk(t), time.Now()
	c := gatewaytest.NewChatGPT(t, fmt.Sprintf(`{"plan_type":"pro","rate_limit":{"allowed":true,"limit_reached":false,
		"primary_window":{"used_percent":10,"limit_window_seconds":18000,"reset_at":%d},
		"secondary_window":{"used_percent":96,"limit_window_seconds":604800,"reset_at":%d}}}`, now.Add(150*time.Minute).Unix(), now.Add(84*time.Hour).Unix()))
	d.quota = quota.New(d.g.Core.DB, quota.Config{URL: c.URL, Login: d.credentials.AccessToken})
	return d, c
}

// facts are the lines of what was printed, by what they are about.
func facts(out string) map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(out) {
		if len(line) > 10 {
			all[strings.TrimSpace(line[:9])] = strings.TrimSpace(line[10:])
		}
	}
	return all
}

func TestQuotaVerbs(t *testing.T) {
	t.Parallel()
	d, c := askingDesk(t)
	must(t, d.QuotaShow(t.Context()))
	if out, words := d.said(); facts(out)["quota"] != "unknown" || facts(out)["launches"] != "allowed; the limit is 100%" || words != "" {
		t.Errorf("got\n%s%s", out, words)
	}
	must(t, d.QuotaRefresh(t.Context()))
	if out, words := d.said(); facts(out)["quota"] != "unknown" || words != "Nobody was asked: there is no login yet. Upload one: cdxgate auth upload FILE\n" || c.Asked() != 0 {
		t.Errorf("without a login: got\n%s%s", out, words)
	}
	d.g.Upload(t, authtest.New(authtest.Options{}))
	must(t, d.PolicySet(t.Context(), "quota_limit_percent", "95"))
	d.said()
	must(t, d.QuotaRefresh(t.Context()))
	out, words := d.said()
	said := facts(out)
	if words != "✓ ChatGPT has answered\n" || said["plan"] != "pro" || !strings.HasSuffix(said["as of"], ", by ChatGPT") || !strings.HasPrefix(said["5 h"], "10% used, 50% of the time over, heading for 20%, reset in 2 h") ||
		!strings.HasPrefix(said["7 d"], "96% used, 50% of the time over, heading for 192%, reset in 3 d") || said["launches"] != "refused, except on VIP hosts: the 7 d window is at 96%, the limit is 95%" ||
		!strings.HasPrefix(said["next"], "in ") || said["error"] != "" {
		t.Errorf("got\n%s%s", out, words)
	}
	d.g.Exec(t, "UPDATE quota_state SET held_until = held_until + interval '1 hour'")
	must(t, d.QuotaRefresh(t.Context()))
	if _, words := d.said(); words != "Nobody was asked: somebody did within the last minute, or ChatGPT said to wait\n" || c.Asked() != 1 {
		t.Errorf("too early: got %s, %d questions", words, c.Asked())
	}
	// A failure is told beside what was known before, whatever the upstream puts into it.
	c.Says(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte("\x1b[31mplanted"))
	})
	d.g.Exec(t, "UPDATE quota_state SET held_until = now()")
	must(t, d.PolicySet(t.Context(), "quota_hard_fail", "false"))
	d.said()
	must(t, d.QuotaRefresh(t.Context()))
	out, words = d.said()
	if said := facts(out); words != "! ChatGPT does not let the gateway ask\n" || !strings.HasPrefix(said["error"], "ChatGPT does not let the gateway ask (") || !strings.HasPrefix(said["7 d"], "96% used") ||
		said["launches"] != "allowed by the policy quota_hard_fail, although the 7 d window is at 96%, the limit is 95%" {
		t.Errorf("got\n%s%s", out, words)
	}
	if n := d.g.Int(t, "SELECT count(*) FROM audit_entry WHERE action = 'chatgpt.usage' AND actor_kind = 'operator'"); n != 2 {
		t.Errorf("got %d entries, want the two questions of an operator", n)
	}
	asked := c.Asked()
	d.JSON = true
	must(t, d.QuotaShow(t.Context()))
	if shown := document[api.AdminQuota](t, d); *shown.Snapshot.SecondaryUsedPercent != 96 || shown.LastError.Code != "forbidden" || !shown.Cached || c.Asked() != asked {
		t.Errorf("got %+v, %d questions by a reading", shown, c.Asked()-asked)
	}
}

// What a window was before its reset is not shown as if it were so still.
func TestQuotaShowAfterAReset(t *testing.T) {
	t.Parallel()
	d, _ := askingDesk(t)
	d.g.Upload(t, authtest.New(authtest.Options{}))
	must(t, d.QuotaRefresh(t.Context()))
	d.said()
	d.g.Exec(t, "UPDATE quota_snapshot SET primary_resets_at = now(), secondary_used_percent = NULL, plan_type = NULL")
	must(t, d.QuotaShow(t.Context()))
	out, _ := d.said()
	if said := facts(out); said["5 h"] != "unknown" || said["7 d"] != "unknown" || said["plan"] != "-" || said["today"] != "" || !strings.HasPrefix(said["launches"], "allowed") {
		t.Errorf("got\n%s", out)
	}
}

func TestQuotaOff(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.g.Upload(t, authtest.New(authtest.Options{}))
	if err := d.QuotaRefresh(t.Context()); !errors.Is(err, quota.ErrOff) {
		t.Errorf("got %v, want ErrOff", err)
	}
	must(t, d.QuotaShow(t.Context()))
	if out, _ := d.said(); facts(out)["next"] != "never: the option chatgpt_url is off" {
		t.Errorf("got\n%s", out)
	}
}
