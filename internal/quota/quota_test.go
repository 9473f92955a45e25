package quota_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/credential/authtest"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
	"github.com/cdxgate/cdxgate/internal/quota"
)

func newChatGPT(t *testing.T) *gatewaytest.ChatGPT {
	t.Helper()
	return gatewaytest.NewChatGPT(t, answerOf(`"primary_window":`+hours+`,"secondary_window":`+days))
}

// refusing answers as an upstream does that repeats what it was sent: nothing of that may be kept.
func refusing(status int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"detail":"no: %s"}`, r.Header.Get("Authorization"))
	}
}

// rig is a gateway with a login that asks the double.
type rig struct {
	*gatewaytest.Gateway
	chatgpt *gatewaytest.ChatGPT
	account int64
	token   string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	return newRigAt(t, nil)
}

func newRigAt(t *testing.T, now func() time.Time) *rig {
	t.Helper()
	c := newChatGPT(t)
	r := &rig{Gateway: gatewaytest.New(t, gatewaytest.Options{ChatGPT: c.URL, Now: now}), chatgpt: c, token: authtest.AccessToken(authtest.Options{})}
	r.Upload(t, authtest.New(authtest.Options{}))
	r.account = r.Int(t, "SELECT id FROM account")
	return r
}

// due makes an account due, and ends every wait.
func (r *rig) due(t *testing.T) {
	t.Helper()
	r.Exec(t, "UPDATE quota_state SET next_eligible_at = now(), held_until = now()")
}

func (r *rig) poll(t *testing.T) int {
	t.Helper()
	changed, err := r.Quota.Poll(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return changed
}

func (r *rig) read(t *testing.T) *quota.Known {
	t.Helper()
	known, err := r.Quota.Read(t.Context(), r.account)
	if err != nil {
		t.Fatal(err)
	}
	return known
}

// waits is for how many seconds from the last question's end on nobody will ask, by the job and at all. The end of one that was
// answered is written down nowhere: it is the beginning of the minute for which everybody has to wait.
func (r *rig) waits(t *testing.T) (next, held int64) {
	t.Helper()
	const since = "coalesce(error_at, held_until - interval '1 minute')"
	return r.Int(t, "SELECT extract(epoch FROM next_eligible_at - "+since+")::bigint FROM quota_state"),
		r.Int(t, "SELECT extract(epoch FROM held_until - "+since+")::bigint FROM quota_state")
}

// reserve keeps everybody from asking for longer than a test takes.
func (r *rig) reserve(t *testing.T) {
	t.Helper()
	r.Exec(t, "UPDATE quota_state SET held_until = held_until + interval '1 hour'")
}

func (r *rig) entries(t *testing.T) int64 {
	t.Helper()
	return r.Int(t, "SELECT count(*) FROM audit_entry WHERE action = 'chatgpt.usage'")
}

var alice = audit.Actor{Kind: audit.KindAdmin, Name: "alice"}

func TestPoll(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var sent *http.Request
	good := gatewaytest.Answering(answerOf(`"primary_window":` + hours + `,"secondary_window":` + days))
	r.chatgpt.Says(func(w http.ResponseWriter, request *http.Request) {
		sent = request.Clone(t.Context())
		good(w, request)
	})
	r.poll(t)
	if r.chatgpt.Asked() != 1 || sent.Method != http.MethodGet || sent.URL.Path != "/wham/usage" || sent.Header.Get("Authorization") != "Bearer "+r.token ||
		sent.Header.Get("Chatgpt-Account-Id") != "acct-authtest" || sent.Header.Get("Accept") != "application/json" {
		t.Errorf("got %d questions, the last %v", r.chatgpt.Asked(), sent)
	}
	known := r.read(t)
	if known.Snapshot == nil || said(known.Snapshot.Short) != "10% of 5 h, 25 12:06:00" || said(known.Snapshot.Long) != "86% of 7 d, 25 15:59:00" || known.Snapshot.Plan != "pro" || known.Failure != nil || !known.On {
		t.Errorf("got %+v", known)
	}
	if next, _ := r.waits(t); next < 10*60 || next > 11*60 { // 86% are much
		t.Errorf("got the next question in %d s", next)
	}
	if r.Int(t, "SELECT count(*) FROM quota_state WHERE held_until >= asked_at + interval '1 minute'") != 1 {
		t.Error("got less than a minute for which everybody has to wait")
	}
	r.poll(t)
	if n := r.chatgpt.Asked(); n != 1 || r.entries(t) != 0 {
		t.Errorf("got %d questions, %d entries; want one question, which is no news", n, r.entries(t))
	}
	r.due(t)
	r.poll(t)
	if n := r.chatgpt.Asked(); n != 2 || r.Int(t, "SELECT count(*) FROM quota_snapshot") != 2 {
		t.Errorf("got %d questions after it was due again", n)
	}
}

func TestFailuresKeepTheLastGoodAnswer(t *testing.T) {
	t.Parallel()
	redirected := newChatGPT(t)
	for name, c := range map[string]struct {
		answer     http.HandlerFunc
		code       string
		status     int
		next, held int64 // at least
	}{
		"401":            {refusing(401), quota.CodeRefused, 401, 15 * 60, 60},
		"403":            {refusing(403), quota.CodeForbidden, 403, 15 * 60, 60},
		"429":            {refusing(429), quota.CodeLimited, 429, 15 * 60, 60},
		"429, wait":      {refusing(429, "Retry-After", "7200"), quota.CodeLimited, 429, 7200, 7200},
		"500":            {refusing(500), quota.CodeUpstream, 500, 5 * 60, 60},
		"503, wait":      {refusing(503, "Retry-After", "900"), quota.CodeUpstream, 503, 900, 900},
		"404":            {refusing(404), quota.CodeStatus, 404, 5 * 60, 60},
		"302":            {refusing(302, "Location", redirected.URL), quota.CodeStatus, 302, 5 * 60, 60},
		"garbage":        {gatewaytest.Answering("<html>Just a moment"), quota.CodeUnreadable, 200, 5 * 60, 60},
		"moved":          {gatewaytest.Answering(`{"plan_type":"pro","limits":[]}`), quota.CodeUnreadable, 200, 5 * 60, 60},
		"oversize":       {gatewaytest.Answering(`{"x":"` + strings.Repeat("x", 64<<10) + `"}`), quota.CodeTooLarge, 200, 5 * 60, 60},
		"no end":         {endless, quota.CodeTooLarge, 200, 5 * 60, 60},
		"slow":           {silent, quota.CodeUnreachable, 0, 5 * 60, 60},
		"slow to end":    {halting, quota.CodeUnreachable, 0, 5 * 60, 60},
		"hung up":        {hangingUp, quota.CodeUnreachable, 0, 5 * 60, 60},
		"no HTTP at all": {babbling, quota.CodeUnreachable, 0, 5 * 60, 60},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			patient := quota.New(r.Core.DB, quota.Config{URL: r.chatgpt.URL, Login: r.Credentials.AccessToken, Timeout: time.Minute, Logger: r.Logger()})
			r.Quota = patient
			if c.code == quota.CodeUnreachable { // whether by time or otherwise
				r.Quota = quota.New(r.Core.DB, quota.Config{URL: r.chatgpt.URL, Login: r.Credentials.AccessToken, Timeout: 300 * time.Millisecond, Logger: r.Logger()})
			}
			if _, err := patient.Poll(t.Context()); err != nil {
				t.Fatal(err)
			}
			before := r.read(t).Snapshot
			r.chatgpt.Says(c.answer)
			for i := range 3 {
				r.due(t)
				if changed := r.poll(t); changed != map[bool]int{true: 1}[i == 0] {
					t.Errorf("question %d: got %d changes", i, changed)
				}
			}
			known := r.read(t)
			if f := known.Failure; f == nil || f.Code != c.code || f.Status != c.status || f.Text == "" || f.At.IsZero() {
				t.Fatalf("got %+v, want %s %d", f, c.code, c.status)
			}
			if known.Snapshot == nil || known.Snapshot.ID != before.ID || !known.Snapshot.FetchedAt.Equal(before.FetchedAt) || known.Wire().Status != "error" || *known.Wire().SecondaryUsedPercent != 86 {
				t.Errorf("got %+v, want the last good answer %+v", known.Snapshot, before)
			}
			next, held := r.waits(t)
			if next < c.next || next > 27*3600 || held != c.held {
				t.Errorf("got the next question in %d s, held for %d; want %d, %d", next, held, c.next, c.held)
			}
			if n := r.entries(t); n != 1 {
				t.Errorf("got %d entries of three failures that are one, want 1", n)
			}
			if n := redirected.Asked(); n != 0 {
				t.Errorf("got %d questions where a redirect led", n)
			}
			r.nothingSecret(t)

			r.chatgpt.Says(gatewaytest.Answering(answerOf(`"primary_window":` + hours)))
			r.due(t)
			if _, err := patient.Poll(t.Context()); err != nil {
				t.Fatal(err)
			}
			if known := r.read(t); known.Failure != nil || known.Snapshot.ID == before.ID || r.entries(t) != 2 {
				t.Errorf("got %+v, %d entries after it went well again", known.Failure, r.entries(t))
			}
			// The login is what it was: a quota says nothing about it.
			if generation := r.Int(t, "SELECT generation FROM account"); generation != 1 {
				t.Errorf("got generation %d", generation)
			}
		})
	}
}

func endless(w http.ResponseWriter, r *http.Request) {
	for r.Context().Err() == nil {
		if _, err := w.Write(bytes.Repeat([]byte("["), 4096)); err != nil {
			return
		}
	}
}

func silent(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func halting(w http.ResponseWriter, r *http.Request) {
	_, _ = w.Write([]byte(`{"plan_type":`))
	w.(http.Flusher).Flush()
	<-r.Context().Done()
}

func hangingUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// babbling answers with what it was sent where a status should be, which Go's error quotes.
func babbling(w http.ResponseWriter, r *http.Request) {
	connection, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		_, _ = fmt.Fprintf(connection, "%s\r\n\r\n", r.Header.Get("Authorization"))
		_ = connection.Close()
	}
}

// nothingSecret looks for the access token wherever something was written down.
func (r *rig) nothingSecret(t *testing.T) {
	t.Helper()
	signature := r.token[len(r.token)-20:]
	if logs := r.Logs.String(); strings.Contains(logs, r.token) || strings.Contains(logs, signature) {
		t.Errorf("the log has the access token: %s", logs)
	}
	for _, table := range []string{"quota_state", "quota_snapshot", "audit_entry"} {
		if n := r.Int(t, "SELECT count(*) FROM "+table+" x WHERE strpos(x::text, $1) > 0 OR strpos(x::text, 'Bearer') > 0", signature); n != 0 {
			t.Errorf("%s has the access token", table)
		}
	}
}

// nobodyListens is an address that stays taken as long as the test runs.
func nobodyListens(t *testing.T) string {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	address, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", address.(*unix.SockaddrInet4).Port)
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.Quota = quota.New(r.Core.DB, quota.Config{URL: "http://" + nobodyListens(t), Login: r.Credentials.AccessToken})
	r.poll(t)
	if known := r.read(t); known.Snapshot != nil || known.Failure == nil || known.Failure.Code != quota.CodeUnreachable || !strings.Contains(known.Failure.Text, "refused") {
		t.Errorf("got %+v, %+v", known, known.Failure)
	}
}

// However many gateways look at once, one asks.
func TestGatewaysThatRaceAskOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for round := range 10 {
		r.due(t)
		gateways := []*quota.Service{}
		for range 8 {
			gateways = append(gateways, quota.New(r.Core.DB, quota.Config{URL: r.chatgpt.URL, Login: r.Credentials.AccessToken}))
		}
		var wg sync.WaitGroup
		var asked atomic.Int64
		for i, gateway := range gateways {
			wg.Go(func() {
				if i%2 == 0 {
					if _, err := gateway.Poll(t.Context()); err != nil {
						t.Error(err)
					}
					return
				}
				_, did, err := gateway.Refresh(t.Context(), r.account, alice)
				if err != nil {
					t.Error(err)
				}
				if did {
					asked.Add(1)
				}
			})
		}
		wg.Wait()
		if n := r.chatgpt.Asked(); n != int64(round)+1 || asked.Load() > 1 {
			t.Fatalf("round %d: got %d questions, %d of them an admin's", round, n, asked.Load())
		}
	}
}

// A gateway that died, or was held up, with a question is waited for; what it brings after that changes nothing.
func TestAnAnswerThatComesTooLate(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.poll(t)
	late, goOn := make(chan struct{}), make(chan struct{})
	r.chatgpt.Says(func(w http.ResponseWriter, _ *http.Request) {
		close(late)
		<-goOn
		_, _ = w.Write([]byte(answerOf(`"secondary_window":{"used_percent":1,"limit_window_seconds":604800}`)))
	})
	r.due(t)
	done := make(chan error, 1)
	go func() {
		_, err := r.Quota.Poll(t.Context())
		done <- err
	}()
	<-late
	if _, asked, err := r.Quota.Refresh(t.Context(), r.account, alice); asked || err != nil {
		t.Errorf("got asked %v, %v while a question is under way", asked, err)
	}
	r.chatgpt.Says(gatewaytest.Answering(answerOf(`"secondary_window":{"used_percent":2,"limit_window_seconds":604800}`)))
	r.Exec(t, "UPDATE quota_state SET held_until = now()") // the claim has run out
	if _, asked, err := r.Quota.Refresh(t.Context(), r.account, alice); !asked || err != nil {
		t.Errorf("got asked %v, %v after the claim ran out", asked, err)
	}
	close(goOn)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got := r.read(t).Snapshot.Long.UsedPercent; got == nil || *got != 2 {
		t.Errorf("got %v, want 2: the later question's answer", got)
	}
}

// A gateway that is told to stop, or an admin who hangs up, in the middle of a question makes no failure of it.
func TestAQuestionThatIsInterrupted(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.poll(t)
	for name, ask := range map[string]func(context.Context) error{
		"the job":  func(ctx context.Context) error { _, err := r.Quota.Poll(ctx); return err },
		"an admin": func(ctx context.Context) error { _, _, err := r.Quota.Refresh(ctx, r.account, alice); return err },
	} {
		ctx, interrupt := context.WithCancel(t.Context())
		r.chatgpt.Says(func(_ http.ResponseWriter, request *http.Request) {
			interrupt()
			<-request.Context().Done()
		})
		r.due(t)
		if err := ask(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v", name, err)
		}
		if known := r.read(t); known.Failure != nil || known.Snapshot == nil || r.entries(t) != 0 || r.Int(t, "SELECT failures FROM quota_state") != 0 {
			t.Errorf("%s: got %+v, %d entries", name, known.Failure, r.entries(t))
		}
	}
	// It is open, and asked again.
	before := r.chatgpt.Asked()
	r.chatgpt.Says(gatewaytest.Answering(answerOf(`"secondary_window":` + days)))
	r.Exec(t, "UPDATE quota_state SET held_until = now()") // the claim has run out
	if r.poll(t); r.chatgpt.Asked() != before+1 {
		t.Errorf("got %d questions more, want 1", r.chatgpt.Asked()-before)
	}
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	known, asked, err := r.Quota.Refresh(t.Context(), r.account, alice)
	if err != nil || !asked || known.Snapshot == nil || r.entries(t) != 1 {
		t.Errorf("got %+v, %v, %v, %d entries", known, asked, err, r.entries(t))
	}
	if actor := r.Int(t, "SELECT count(*) FROM audit_entry WHERE action = 'chatgpt.usage' AND actor = 'alice' AND details = '{\"cached\": false, \"plan_type\": \"pro\", \"status\": \"ok\"}'"); actor != 1 {
		t.Error("the entry is not as it should be")
	}
	r.reserve(t)
	if known, asked, err = r.Quota.Refresh(t.Context(), r.account, alice); err != nil || asked || known.Snapshot == nil || r.entries(t) != 1 {
		t.Errorf("too early: got %v, %v, %d entries", asked, err, r.entries(t))
	}
	// Not due, and a minute over.
	r.Exec(t, "UPDATE quota_state SET held_until = now()")
	r.chatgpt.Says(refusing(429, "Retry-After", "3600"))
	if known, asked, err = r.Quota.Refresh(t.Context(), r.account, alice); err != nil || !asked || known.Failure == nil || known.Snapshot == nil || r.entries(t) != 2 {
		t.Errorf("got %+v, %v, %v, %d entries", known, asked, err, r.entries(t))
	}
	before := r.chatgpt.Asked()
	r.Exec(t, "UPDATE quota_state SET held_until = held_until - interval '30 minutes'")
	if _, asked, err = r.Quota.Refresh(t.Context(), r.account, alice); err != nil || asked || r.chatgpt.Asked() != before {
		t.Errorf("got asked %v, %v half an hour before ChatGPT said that it may be", asked, err)
	}
	off := quota.New(r.Core.DB, quota.Config{Login: r.Credentials.AccessToken})
	if _, _, err := off.Refresh(t.Context(), r.account, alice); !errors.Is(err, quota.ErrOff) {
		t.Errorf("got %v, want ErrOff", err)
	}
	r.due(t)
	if _, err := off.Poll(t.Context()); err != nil || r.chatgpt.Asked() != before {
		t.Errorf("got %v, %d questions while it is off", err, r.chatgpt.Asked()-before)
	}
	if known, err := off.Read(t.Context(), r.account); err != nil || known.On || !known.NextEligibleAt.IsZero() || known.Failure != nil || known.Snapshot == nil {
		t.Errorf("got %+v, %v", known, err)
	}
}

func TestBaselineIsTheFirstOfTheDay(t *testing.T) {
	t.Parallel()
	now := noon
	r := newRigAt(t, func() time.Time { return now })
	r.poll(t)
	midnight := now.Truncate(day)
	r.Exec(t, "UPDATE quota_snapshot SET fetched_at = $1, secondary_resets_at = $2", now, now.Add(3*day))
	insert := func(source string, at time.Time, used int) {
		r.Exec(t, `INSERT INTO quota_snapshot (account_id, source, chatgpt_account, fetched_at, secondary_used_percent, secondary_limit_seconds, secondary_resets_at)
			VALUES ($1, $2, 'acct-authtest', $3, $4, 604800, $5)`, r.account, source, at, used, now.Add(3*day))
	}
	share := func() string {
		usage := r.read(t).Auth(now)
		text, err := json.Marshal(usage.DailyUsedPercent)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if got := share(); got != "0" {
		t.Errorf("got %s, want 0: the first of the day is the only one", got)
	}
	insert("chatgpt", midnight.Add(-time.Microsecond), 50) // yesterday's
	if got := share(); got != "0" {
		t.Errorf("got %s, want 0: yesterday does not count", got)
	}
	insert("host", midnight, 10) // ChatGPT's own word goes before
	if got := share(); got != "0" {
		t.Errorf("got %s, want 0: a host's word does not count beside ChatGPT's", got)
	}
	insert("chatgpt", midnight, 80)
	if got := share(); got != "6" {
		t.Errorf("got %s, want 6", got)
	}
}
