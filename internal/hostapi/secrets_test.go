package hostapi_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/adminca"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/credential/authtest"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
	"github.com/cdxgate/cdxgate/internal/seal"
)

// dump is everything that the database holds, as text.
func dump(t *testing.T, g *gatewaytest.Gateway) string {
	t.Helper()
	ctx := t.Context()
	rows, err := g.Core.DB.Pool().Query(ctx, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
	if err != nil {
		t.Fatal(err)
	}
	var tables []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		tables = append(tables, name)
	}
	conn, err := g.Core.DB.Pool().Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	var all bytes.Buffer
	for _, table := range tables {
		if _, err := conn.Conn().PgConn().CopyTo(ctx, &all, fmt.Sprintf("COPY %q TO STDOUT", table)); err != nil {
			t.Fatal(err)
		}
	}
	if len(tables) < 10 || all.Len() < 2000 {
		t.Fatalf("got %d tables and %d bytes, want the whole database", len(tables), all.Len())
	}
	// What an operator would really take, where its program is there.
	if program, err := exec.LookPath("pg_dump"); err == nil {
		text, err := exec.CommandContext(ctx, program, "--dbname", g.Core.DB.Pool().Config().ConnString()).Output()
		if err != nil {
			t.Fatalf("pg_dump: %v", err)
		}
		all.Write(text)
	}
	return all.String()
}

// idToken is tokens.id_token of a file.
func idToken(t *testing.T, file []byte) string {
	t.Helper()
	var auth struct {
		Tokens struct {
			IDToken string `json:"id_token"`
		}
	}
	if err := json.Unmarshal(file, &auth); err != nil || len(auth.Tokens.IDToken) < 100 {
		t.Fatalf("got id token %q, %v", auth.Tokens.IDToken, err)
	}
	return auth.Tokens.IDToken
}

// What is sealed for one row and column opens nowhere else, whoever copies it there.
func TestSealedValuesStayInTheirPlace(t *testing.T) {
	t.Parallel()
	g, _ := begin(t, authtest.New(authtest.Options{}))
	g.Upload(t, authtest.New(authtest.Options{LastRefresh: lastRefresh.AddDate(0, 0, 1)}))
	other := g.Register(t, "other.example")
	if _, _, err := g.Fleet.Rotate(t.Context(), other.Host.ID, fleet.RotateOptions{}, gatewaytest.Operator); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Certs.Add(t.Context(), "alice", adminca.AddOptions{}, gatewaytest.Operator); err != nil {
		t.Fatal(err)
	}
	rows, err := g.Core.DB.Pool().Query(t.Context(), `
		SELECT 'generation', 'body_sealed', id::text, body_sealed FROM generation
		UNION ALL SELECT 'install_token', 'key_sealed', id::text, key_sealed FROM install_token
		UNION ALL SELECT 'host', 'next_key_sealed', id::text || '/' || next_key_prefix, next_key_sealed FROM host WHERE next_key_sealed IS NOT NULL
		UNION ALL SELECT 'admin_ca', 'key_sealed', id::text, key_sealed FROM admin_ca
		UNION ALL SELECT 'seal_key', 'check_sealed', id, check_sealed FROM seal_key`)
	if err != nil {
		t.Fatal(err)
	}
	sealed := map[seal.Place]string{}
	for rows.Next() {
		var at seal.Place
		var value string
		if err := rows.Scan(&at.Table, &at.Column, &at.Row, &value); err != nil {
			t.Fatal(err)
		}
		sealed[at] = value
	}
	if err := rows.Err(); err != nil || len(sealed) != 7 {
		t.Fatalf("got %d sealed values, %v; want 7", len(sealed), err)
	}
	for from, value := range sealed {
		for to := range sealed {
			_, err := g.Core.Keyring.Open(to, value)
			if from == to && err != nil || from != to && !errors.Is(err, seal.ErrTampered) {
				t.Errorf("from %v to %v: got %v", from, to, err)
			}
		}
	}
}

// A whole life with planted secrets, and refusals of every kind: neither logs, nor refusals, nor the database show one.
func TestSecretsStayWhereTheyBelong(t *testing.T) {
	t.Parallel()
	options := authtest.Options{RefreshToken: "rt_PLANTED-refresh-token-0123456789"}
	file := authtest.New(options)
	g, host := begin(t, file)
	pending := g.Register(t, "pending.example")
	claimed := g.Register(t, "claimed.example")
	var refusals bytes.Buffer
	call := func(r gatewaytest.Request) *gatewaytest.Answer {
		answer := g.Do(t, r)
		if answer.Status >= 400 {
			refusals.Write(answer.Body)
			fmt.Fprintln(&refusals, answer.Header)
		}
		return answer
	}
	call(gatewaytest.Request{Path: api.PathInstall + claimed.Token.Reveal(), Body: "{}"})
	call(gatewaytest.Request{Path: api.PathInstall + claimed.Token.Reveal(), Body: "{}"})
	call(gatewaytest.Request{Method: "PUT", Path: api.PathInstall + pending.Token.Reveal()})
	g.Retrieve(t, host.Key.Reveal(), noDigest, "2025-01-01T00:00:00Z")
	newer := options
	newer.LastRefresh = time.Date(2026, 2, 2, 0, 0, 0, 0, time.UTC)
	if got := g.Store(t, host.Key.Reveal(), authtest.New(newer), ""); got.Status != http.StatusOK {
		t.Fatalf("store: got %s", got.Body)
	}
	key := host.Key.Reveal()
	other := authtest.New(authtest.Options{AccountID: "acct-other", RefreshToken: options.RefreshToken})
	for _, body := range []string{
		string(file) + "}", `{"command":"store","auth":` + string(file), `{"command":"store","auth":"` + options.RefreshToken + `"}`,
		`{"command":"store","auth":` + string(other) + `}`, `{"command":"` + options.RefreshToken + `"}`,
		`{"command":"store","auth":{"last_refresh":"` + options.RefreshToken + `"}}`,
		`{"digest":"` + options.RefreshToken + `"}`, `{"installation_id":"` + options.RefreshToken + `"}`,
		`{"command":"store","auth":{"last_refresh":"2026-01-05T10:00:00Z","auths":{"a":{"token":"` + options.RefreshToken + ` x"}}}}`,
		`{"x":"` + options.RefreshToken + strings.Repeat("x", 1<<20) + `"}`,
	} {
		if got := call(gatewaytest.Request{Path: api.PathAuth, Key: key, Body: body}); got.Status < 400 {
			t.Errorf("%.80s: got %d, want a refusal", body, got.Status)
		}
	}
	call(gatewaytest.Request{Path: api.PathAuth, Key: key, From: "203.0.113.99", Body: "{}"})
	call(gatewaytest.Request{Path: api.PathAuth, Key: options.RefreshToken, Body: "{}"})
	call(gatewaytest.Request{Path: "/" + key, Key: key})

	ring, err := os.ReadFile(filepath.Join(g.DataDir, "keyring"))
	if err != nil {
		t.Fatal(err)
	}
	master := strings.Fields(string(ring)[strings.Index(string(ring), "\nkey "):])[2]
	secrets := map[string]string{
		"refresh token": options.RefreshToken, "access token": authtest.AccessToken(options),
		"renewed access token": authtest.AccessToken(newer), "API key": key, "claimed API key": claimed.Key.Reveal(),
		"pending API key": pending.Key.Reveal(), "install token": pending.Token.Reveal(), "used install token": claimed.Token.Reveal(),
		"ID token": idToken(t, file), "renewed ID token": idToken(t, authtest.New(newer)), "master key": master,
	}
	for what, text := range map[string]string{
		"the log": g.Logs.String(), "a refusal": refusals.String(), "the database": dump(t, g),
	} {
		for name, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%s shows the %s", what, name)
			}
		}
	}
}

// A stored login that does not open, or is another generation's, is an outage, never "missing": any host could replace it.
func TestUnreadableCredentialFailsClosed(t *testing.T) {
	t.Parallel()
	g, host := begin(t, authtest.New(authtest.Options{}))
	g.Upload(t, authtest.New(authtest.Options{LastRefresh: time.Date(2026, 2, 2, 0, 0, 0, 0, time.UTC)}))
	g.Exec(t, `UPDATE generation a SET body_sealed = b.body_sealed FROM generation b WHERE a.number = 2 AND b.number = 1`)
	got := g.Retrieve(t, host.Key.Reveal(), noDigest, "2025-01-01T00:00:00Z")
	got.Refused(t, 503, "credential_unreadable", "The stored login cannot be read; an operator must look at the gateway's log")
	if got.Header.Get("Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
	if deliveries := g.Int(t, "SELECT count(*) FROM delivery"); deliveries != 0 {
		t.Errorf("got %d deliveries on record, want none", deliveries)
	}
}
