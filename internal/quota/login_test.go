package quota_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/credential/authtest"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
	"github.com/cdxgate/cdxgate/internal/quota"
	"github.com/cdxgate/cdxgate/internal/seal"
)

func TestLogins(t *testing.T) {
	t.Parallel()
	c := newChatGPT(t)
	g := gatewaytest.New(t, gatewaytest.Options{ChatGPT: c.URL})
	r := &rig{Gateway: g, chatgpt: c, account: g.Int(t, "SELECT id FROM account")}
	r.poll(t)
	if known, asked, err := r.Quota.Refresh(t.Context(), r.account, alice); err != nil || asked || known.Failure.Code != quota.CodeNoLogin || c.Asked() != 0 {
		t.Errorf("no login: got %+v, %v, %v", known, asked, err)
	}
	r.Upload(t, authtest.New(authtest.Options{}))
	c.Says(refusing(401))
	r.poll(t)
	if known := r.read(t); known.Failure == nil || known.Failure.Code != quota.CodeRefused {
		t.Errorf("got %+v", known.Failure)
	}
	// What was wrong with a login does not hold back the next one, except for the minute between questions.
	r.Exec(t, "UPDATE quota_state SET held_until = now()")
	r.poll(t)
	if n := c.Asked(); n != 1 {
		t.Errorf("got %d questions with the same login, want 1", n)
	}
	c.Says(gatewaytest.Answering(answerOf(`"secondary_window":` + days)))
	r.Upload(t, authtest.New(authtest.Options{SessionID: "another"}))
	r.poll(t)
	if known := r.read(t); c.Asked() != 2 || known.Failure != nil || known.Snapshot == nil {
		t.Errorf("got %d questions, %+v after a new login", c.Asked(), known)
	}
	// A refusal that is not about the login does.
	c.Says(refusing(429))
	r.due(t)
	r.poll(t)
	r.Exec(t, "UPDATE quota_state SET held_until = now()")
	r.Upload(t, authtest.New(authtest.Options{SessionID: "a third", AccountID: "acct-other"}))
	if r.poll(t); c.Asked() != 3 {
		t.Errorf("got %d questions, want 3: 429 is about the gateway", c.Asked())
	}
	// It is another's account: what was known is not about it.
	if known := r.read(t); known.Snapshot != nil || known.Baseline.UsedPercent != nil {
		t.Errorf("got %+v of an account that is not the login's", known.Snapshot)
	}
	r.Upload(t, []byte(`{"OPENAI_API_KEY":"sk-proj-0123456789abcdefghijklmnopqrstuvwxyz","last_refresh":"2026-01-06T00:00:00Z"}`))
	r.due(t)
	entries := r.entries(t)
	r.poll(t)
	if known := r.read(t); c.Asked() != 3 || known.Failure == nil || known.Failure.Code != quota.CodeNoTokens || known.Snapshot != nil || r.entries(t) != entries {
		t.Errorf("got %d questions, %+v with an API key", c.Asked(), known)
	}
	if strings.Contains(g.Logs.String(), "sk-proj") {
		t.Error("the log has the API key")
	}
	r.Exec(t, "UPDATE quota_state SET held_until = now()")
	c.Says(gatewaytest.Answering(answerOf(`"secondary_window":` + days)))
	r.Upload(t, authtest.New(authtest.Options{SessionID: "a fourth", LastRefresh: time.Date(2026, 1, 7, 0, 0, 0, 0, time.UTC)}))
	if r.poll(t); c.Asked() != 4 || r.read(t).Snapshot == nil {
		t.Errorf("got %d questions after the API key", c.Asked())
	}
}

// A stored login that does not open is said so, and is asked about again when there is another.
func TestAnUnreadableLogin(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.Exec(t, "UPDATE generation SET body_sealed = 'sbox:v2:00000000:AAAA'")
	r.poll(t)
	if known := r.read(t); known.Failure == nil || known.Failure.Code != quota.CodeLogin || r.chatgpt.Asked() != 0 {
		t.Errorf("got %+v", known.Failure)
	}
	r.Exec(t, "UPDATE quota_state SET held_until = now()")
	r.Upload(t, authtest.New(authtest.Options{SessionID: "another"}))
	if r.poll(t); r.read(t).Failure != nil {
		t.Errorf("got %+v", r.read(t).Failure)
	}
}

// An upstream, or a proxy before it, that puts what it was sent where the plan or the balance should be has nothing kept.
func TestTheTokenIsNotKeptAsSomethingElse(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const short = "opaque-token-0123456789abcdef" // as long as a plan may be
	for _, body := range []string{
		`{"plan_type":"` + short + `","rate_limit":null}`, `{"plan_type":"for ` + short + `","rate_limit":null}`, `{"plan_type":"` + short[:16] + `","rate_limit":null}`,
		`{"plan_type":"pro","rate_limit":null,"credits":{"balance":"` + short + `"}}`, `{"plan_type":"\u006fpaque-token-0123456789abcdef","rate_limit":null}`,
	} {
		r.chatgpt.Says(gatewaytest.Answering(body))
		r.due(t)
		login := func(context.Context, int64) (seal.Secret, string, error) {
			return seal.Secret(short), "acct-authtest", nil
		}
		if _, err := quota.New(r.Core.DB, quota.Config{URL: r.chatgpt.URL, Login: login, Logger: r.Logger()}).Poll(t.Context()); err != nil {
			t.Fatal(err)
		}
		known := r.read(t)
		if known.Failure == nil || known.Failure.Code != quota.CodeUnreadable || known.Snapshot != nil {
			t.Errorf("%s: got %+v, %+v", body, known.Snapshot, known.Failure)
		}
		for _, table := range []string{"quota_state", "quota_snapshot", "audit_entry"} {
			if n := r.Int(t, "SELECT count(*) FROM "+table+" x WHERE strpos(x::text, $1) > 0", short[:16]); n != 0 {
				t.Errorf("%s: %s has the token", body, table)
			}
		}
		if strings.Contains(r.Logs.String(), short[:16]) {
			t.Errorf("%s: the log has the token", body)
		}
	}
	// A short word that the token happens to have in it is one like any other.
	r.chatgpt.Says(gatewaytest.Answering(`{"plan_type":"token","rate_limit":null}`))
	r.due(t)
	if r.poll(t); r.read(t).Snapshot == nil || r.read(t).Snapshot.Plan != "token" {
		t.Errorf("got %+v", r.read(t))
	}
}

// What a login looks like never becomes part of a message, not even when no request can be made with it.
func TestALoginThatMakesNoRequest(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, c := range []struct{ token, account string }{{"planted\r\nX-Evil: 1", ""}, {"fine", "planted\n"}, {"planted\x00", ""}} {
		login := func(context.Context, int64) (seal.Secret, string, error) { return seal.Secret(c.token), c.account, nil }
		r.due(t)
		if _, err := quota.New(r.Core.DB, quota.Config{URL: r.chatgpt.URL, Login: login, Logger: r.Logger()}).Poll(t.Context()); err != nil {
			t.Fatal(err)
		}
		if known := r.read(t); known.Failure == nil || strings.Contains(known.Failure.Text, "planted") || strings.Contains(r.Logs.String(), "planted") || r.chatgpt.Asked() != 0 {
			t.Errorf("got %+v, %d questions", known.Failure, r.chatgpt.Asked())
		}
	}
}
