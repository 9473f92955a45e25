package fleet_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/internal/publictls"
)

// However a key or a token gets printed, it stays hidden.
func TestSecretsPrintRedacted(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e := r.register(t, fleet.Registration{})
	secrets := []string{e.Key.Reveal(), e.Token.Reveal()}
	printed := map[string]string{"Sprint": fmt.Sprint(e.Key, e.Token, &e.Key), "error": fmt.Errorf("with %v: %w", e.Key, errors.New("x")).Error()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%10.3s", "%c", "%U"} {
		printed[verb] = fmt.Sprintf(verb, e.Key) + fmt.Sprintf(verb, e.Token) + fmt.Sprintf(verb, &e.Key) + fmt.Sprintf(verb, []fleet.APIKey{e.Key})
	}
	for name, v := range map[string]any{"key": e.Key, "pointer": &e.Token, "list": []fleet.InstallToken{e.Token}, "map": map[fleet.APIKey]int{e.Key: 1}} {
		text, err := json.Marshal(v)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		printed["json "+name] = string(text)
	}
	var logs bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&logs, nil), slog.NewJSONHandler(&logs, nil)} {
		slog.New(handler).Info("key", "key", e.Key, "token", e.Token, "pointer", &e.Key, "any", []any{e.Key}, "struct", struct{ K fleet.APIKey }{e.Key})
	}
	printed["slog"] = logs.String()
	for how, text := range printed {
		for _, secret := range secrets {
			for _, form := range []string{secret, fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), secret[8:20]} {
				if strings.Contains(text, form) {
					t.Errorf("%s shows %q", how, text)
				}
			}
		}
	}
	if text := fmt.Sprint(e.Key); !strings.HasPrefix(text, e.Key.Prefix()) || !strings.Contains(text, "[redacted]") {
		t.Errorf("got %q, want the prefix and [redacted]", text)
	}
	if text := fmt.Sprintf("%v%v", fleet.APIKey{}, fleet.InstallToken{}); text != "…[redacted]…[redacted]" {
		t.Errorf("got %q for none", text)
	}
}

// An enrolment holds both secrets; printing it whole, as a log line written in haste would, shows neither.
func TestEnrolmentPrintsRedacted(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e := r.register(t, fleet.Registration{})
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		text := fmt.Sprintf(verb, *e)
		if strings.Contains(text, e.Key.Reveal()) {
			t.Errorf("%s shows the key", verb)
		}
	}
}

func TestDelete(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e, other := r.register(t, fleet.Registration{}), r.register(t, fleet.Registration{FQDN: "other.example"})
	r.mustEnter(t, e.Key, home)
	// What hangs on a host: a pending token, a delivery, a generation that it uploaded.
	r.exec(t, `INSERT INTO generation (id, account_id, number, lineage, digest, body_sealed, last_refresh, last_refresh_at, source, source_host_id, created_at)
		VALUES (gen_random_uuid(), 1, 1, gen_random_uuid(), decode(repeat('ab', 32), 'hex'), 'sealed', 'x', now(), 'host', $1, now())`, e.Host.ID)
	r.exec(t, "INSERT INTO delivery (host_id, generation_id, mode, delivered_at) SELECT $1, id, 'full', now() FROM generation", e.Host.ID)
	trail := value[int](t, r, "SELECT count(*)::int FROM audit_entry WHERE host_id = $1", e.Host.ID)

	deletions := everybody(10, func(int) error {
		_, err := r.Delete(t.Context(), e.Host.ID, operator, audit.ActionAdminHostDelete)
		return err
	})
	if done, gone := count(deletions, nil), count(deletions, fleet.ErrHostNotFound); done != 1 || gone != 9 {
		t.Errorf("got %d deletions and %d times %v, want 1 and 9", done, gone, fleet.ErrHostNotFound)
	}
	_, err := r.enter(t, e.Key, home)
	is(t, "key", err, fleet.ErrKeyInvalid)
	_, _, err = r.Claim(t.Context(), e.Token, home)
	is(t, "token", err, fleet.ErrTokenUnknown)
	_, err = r.ByFQDN(t.Context(), "build7.example")
	is(t, "look-up", err, fleet.ErrHostNotFound)
	for query, want := range map[string]int{
		"SELECT count(*)::int FROM install_token":                                          1,
		"SELECT count(*)::int FROM delivery":                                               0,
		"SELECT count(*)::int FROM generation WHERE source_host_id IS NULL":                1,
		fmt.Sprintf("SELECT count(*)::int FROM audit_entry WHERE host_id = %d", e.Host.ID): trail + 1,
	} {
		if got := value[int](t, r, query); got != want {
			t.Errorf("%s: got %d, want %d", query, got, want)
		}
	}
	r.mustEnter(t, other.Key, home)
	if again := r.register(t, fleet.Registration{}); again.Host.ID == e.Host.ID {
		t.Error("a deleted host's id was given to another")
	}
}

// An act that cannot be recorded does not happen: whatever audit refuses, the rest of the database stays as it was.
func TestNoActWithoutItsAuditEntry(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	bound, fresh := r.register(t, fleet.Registration{FQDN: "bound.example"}), r.register(t, fleet.Registration{FQDN: "fresh.example"})
	roaming := r.register(t, fleet.Registration{FQDN: "roaming.example"})
	r.mustEnter(t, bound.Key, home)
	r.mustEnter(t, roaming.Key, home)
	r.exec(t, "UPDATE host SET roaming = true WHERE fqdn = 'roaming.example'")
	r.exec(t, `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no room for records'; END $$;
		CREATE TRIGGER refuse BEFORE INSERT ON audit_entry FOR EACH ROW EXECUTE FUNCTION refuse()`)

	whole := func() string {
		return value[string](t, r, `SELECT (SELECT string_agg(host::text, ' ' ORDER BY id) FROM host) ||
			(SELECT string_agg(install_token::text, ' ' ORDER BY id) FROM install_token)`)
	}
	before := whole()
	ctx := t.Context()
	for name, act := range map[string]func() error{
		"register": func() error {
			_, err := r.Register(ctx, fleet.Registration{FQDN: "new.example", Insecure: true}, operator)
			return err
		},
		"rekey": func() error {
			_, err := r.Register(ctx, fleet.Registration{FQDN: "bound.example", Rekey: true}, operator)
			return err
		},
		"claim": func() error {
			_, key, err := r.Claim(ctx, fresh.Token, home)
			if key.Reveal() != "" {
				t.Error("a claim that failed handed out a key")
			}
			return err
		},
		"bind": func() error { _, err := r.enter(t, fresh.Key, home); return err },
		"roam": func() error { _, err := r.enter(t, roaming.Key, away); return err },
		"leave": func() error {
			_, err := r.Leave(ctx, &bound.Host, away, fleet.LeaveOptions{Force: true})
			return err
		},
		"delete": func() error {
			_, err := r.Delete(ctx, bound.Host.ID, operator, audit.ActionAdminHostDelete)
			return err
		},
	} {
		if err := act(); err == nil || !strings.Contains(err.Error(), "no room for records") {
			t.Errorf("%s: got %v, want the recording's failure", name, err)
		}
		if after := whole(); after != before {
			t.Errorf("%s happened without its entry:\n%s\n%s", name, before, after)
		}
	}
	r.mustEnter(t, bound.Key, home) // which records nothing
	r.exec(t, "DROP TRIGGER refuse ON audit_entry")
	if _, _, err := r.Claim(ctx, fresh.Token, home); err != nil {
		t.Errorf("claiming when there is room again: %v", err)
	}
}

func TestWire(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e := r.register(t, fleet.Registration{Insecure: true, VIP: true})
	text, err := json.Marshal(fleet.WireEnrolment(e, publictls.Trust{}))
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Host      map[string]any
		Installer map[string]any
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"fqdn": "build7.example", "status": "active", "last_refresh": nil, "updated_at": "2026-01-05T10:00:00+00:00", "expires_at": nil,
		"client_version": nil, "client_version_override": nil, "wrapper_version": nil, "api_calls": 0.0, "allow_roaming_ips": false,
		"secure": false, "vip": true, "insecure_enabled_until": "2026-01-05T10:30:00+00:00", "insecure_grace_until": nil,
		"insecure_window_minutes": nil, "force_ipv4": false, "model_override": nil, "reasoning_effort_override": nil,
		"api_key": e.Key.Reveal(), "id": float64(e.Host.ID),
	}
	if got := fmt.Sprint(answer.Host); got != fmt.Sprint(want) {
		t.Errorf("got host\n%s\nwant\n%s", got, fmt.Sprint(want))
	}
	if _, err := r.Update(t.Context(), e.Host.ID, fleet.Change{ForceIPv4: new(true), Model: new("o3"), ReasoningEffort: new("high")}, operator); err != nil {
		t.Fatal(err)
	}
	host, err := r.ByFQDN(t.Context(), "build7.example")
	if err != nil {
		t.Fatal(err)
	}
	if set := fleet.Wire(host); !set.ForceIPv4 || *set.ModelOverride != "o3" || *set.ReasoningEffortOverride != "high" {
		t.Errorf("got %+v", set)
	}
	if got := fmt.Sprint(answer.Installer); got != fmt.Sprint(map[string]any{
		"token": e.Token.Reveal(), "url": e.URL, "command": "curl -fsSL " + e.URL + " | sh", "expires_at": e.ExpiresAt.UTC().Format(api.TimeFormat),
	}) {
		t.Errorf("got installer %s", got)
	}
}
