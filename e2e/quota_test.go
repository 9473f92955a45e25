package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/credential/authtest"
)

// A gateway that is started with a login asks the ChatGPT of its configuration, and that one alone; what it answers is told to
// admins, verbs and hosts, and after a refusal it is still what was answered before.
func TestQuotaIsAskedForByTheGateway(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var asked []string // :: method, path, authorization
	status := http.StatusOK
	said := func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), asked...)
	}
	chatgpt := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.Method+" "+r.URL.Path+" "+r.Header.Get("Authorization"))
		w.Header().Set("Location", "http://"+r.Host+"/elsewhere")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"plan_type":"pro","rate_limit":{"secondary_window":{"used_percent":96,"limit_window_seconds":604800,"reset_at":%d}},"echo":%q}`,
			time.Now().Add(48*time.Hour).Unix(), r.Header.Get("Authorization"))
	}))
	t.Cleanup(chatgpt.Close)

	g := install(t, options{env: []string{"CDXGATE_CHATGPT_URL=" + chatgpt.URL + "/backend-api"}})
	fleet := login(1)
	g.upload(fleet)
	if n := len(said()); n != 0 {
		t.Fatalf("got %d questions by a verb that uploads", n)
	}
	g.run()
	g.waitReady()
	token := authtest.AccessToken(fleet)
	g.eventually(startDeadline, "ChatGPT was asked", func() bool { return len(said()) > 0 })
	if got := said()[0]; got != "GET /backend-api/wham/usage Bearer "+token {
		t.Errorf("got the question %.60s…", got)
	}
	shown := ""
	g.eventually(startDeadline, "its answer is kept", func() bool {
		shown = g.must("quota", "show").out
		return strings.Contains(shown, "96% used")
	})
	if !strings.Contains(shown, "by ChatGPT") || !strings.Contains(shown, "allowed; the limit is 100%") {
		t.Errorf("got\n%s", shown)
	}
	g.sql("UPDATE quota_state SET held_until = now() + interval '1 hour', next_eligible_at = now() + interval '1 hour'") // however slow this machine is
	if refreshed := g.must("quota", "refresh"); !strings.Contains(refreshed.err, "Nobody was asked") || len(said()) != 1 {
		t.Errorf("too early: got %s, %d questions", refreshed.err, len(said()))
	}

	// A redirect is a refusal, and takes nothing away.
	mu.Lock()
	status = http.StatusFound
	mu.Unlock()
	g.sql("UPDATE quota_state SET held_until = now()")
	refreshed := g.must("quota", "refresh")
	if got := said(); len(got) != 2 || strings.Contains(strings.Join(got, "\n"), "elsewhere") || !strings.Contains(refreshed.err, "HTTP 302") || !strings.Contains(refreshed.out, "96% used") {
		t.Errorf("got %q, questions %.60q", refreshed.out+refreshed.err, got)
	}
	host := g.addHost("build7.example")
	answered := g.call(http.MethodPost, "/sync", []string{"X-API-Key: " + host.Host.APIKey, "Content-Type: application/json"}, "{}")
	var answer struct {
		Data struct {
			Quota struct {
				Data struct {
					Status    string `json:"status"`
					Secondary struct {
						Used *int `json:"used_percent"`
					} `json:"secondary_window"`
				} `json:"data"`
			} `json:"quota"`
		} `json:"data"`
	}
	if err := json.Unmarshal([]byte(answered.body), &answer); err != nil || answer.Data.Quota.Data.Status != "ok" || answer.Data.Quota.Data.Secondary.Used == nil || *answer.Data.Quota.Data.Secondary.Used != 96 {
		t.Errorf("got %v, %+v", err, answer.Data.Quota)
	}

	secrets := map[string]string{"access token": token}
	assertHides(t, "the verbs' output", shown+refreshed.out+refreshed.err+g.must("audit", "tail", "-n", "100", "-o", "json").out, secrets)
	assertHides(t, "the gateway's log", g.readLog(), secrets)
	assertHides(t, "a dump", g.dump(), secrets)
}
