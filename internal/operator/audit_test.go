package operator

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/errs"
)

func TestAuditTail(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, value := range []string{"50", "60", "70"} {
		must(t, d.PolicySet(t.Context(), "quota_limit_percent", value))
	}
	d.said()
	must(t, d.AuditTail(t.Context(), AuditTailOptions{Number: 2}))
	out, _ := d.said()
	line := `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ  operator ` + regexp.QuoteMeta(d.by.Name) + `  -  admin\.policy  \{"name": "quota_limit_percent", "value": `
	if !regexp.MustCompile("^" + line + `60, "before": 50\}` + "\n" + line + `70, "before": 60\}` + "\n$").MatchString(out) {
		t.Errorf("got %q", out)
	}
	d.JSON = true
	must(t, d.AuditTail(t.Context(), AuditTailOptions{Number: 1}))
	out, _ = d.said()
	var entry audit.Recorded
	must(t, json.Unmarshal([]byte(out), &entry))
	if entry.Action != audit.ActionPolicySet || entry.Chain != db.ChainConsole || entry.Hash == "" {
		t.Errorf("got %+v", entry)
	}
	for _, n := range []int{-1, maxTail + 1} {
		if err := d.AuditTail(t.Context(), AuditTailOptions{Number: n}); errs.Of(err).Kind != errs.Invalid {
			t.Errorf("%d: got %v, want it refused", n, err)
		}
	}
}

// stopWriter ends a verb that follows, when it has written what was waited for.
type stopWriter struct {
	text  strings.Builder
	until string
	stop  context.CancelFunc
}

func (w *stopWriter) Write(p []byte) (int, error) {
	if w.text.Write(p); strings.Contains(w.text.String(), w.until) {
		w.stop()
	}
	return len(p), nil
}

func TestAuditTailFollows(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &stopWriter{until: "host new.example", stop: cancel}
	d.Out = out
	done := make(chan error)
	go func() { done <- d.AuditTail(ctx, AuditTailOptions{Follow: true}) }()
	host := d.g.Register(t, "new.example")
	for ctx.Err() == nil { // until one of them comes after the tail has begun
		d.g.Retrieve(t, host.Key.Reveal(), strings.Repeat("0", 64), "2026-01-01T00:00:00Z")
	}
	must(t, <-done)
}

func TestAuditVerify(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	host := d.g.Register(t, "build7.example")
	d.g.Retrieve(t, host.Key.Reveal(), strings.Repeat("0", 64), "2026-01-01T00:00:00Z")
	must(t, d.PolicySet(t.Context(), "quota_limit_percent", "60"))
	d.said()
	must(t, d.AuditVerify(t.Context()))
	out, words := d.said()
	chain := d.g.Core.DB.Chain()
	if !strings.HasPrefix(out, "CHAIN ") || strings.Count(out, "whole\n") != 2 || !strings.Contains(out, chain) || !strings.Contains(out, "console ") || words != "" {
		t.Errorf("got\n%s%s", out, words)
	}

	for _, statement := range []string{
		"ALTER TABLE audit_entry DISABLE TRIGGER USER",
		"UPDATE audit_entry SET actor = 'somebody' WHERE chain <> 'console' AND seq = 2",
	} {
		if _, err := d.g.Core.DB.Pool().Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	err := d.AuditVerify(t.Context())
	out, words = d.said()
	if !errors.Is(err, audit.ErrBroken) || errs.Of(err).Kind != errs.Invalid || !strings.Contains(err.Error(), "audit chain "+chain+", entry 2: it was changed") {
		t.Errorf("got %v, want entry 2", err)
	}
	if !strings.Contains(out, "BROKEN\n") || !strings.HasPrefix(words, "✗ "+chain+", entry 2: it was changed") {
		t.Errorf("got\n%s%s", out, words)
	}
	d.JSON = true
	if err := d.AuditVerify(t.Context()); err == nil {
		t.Error("got no error with -o json")
	}
	found := document[audit.Verification](t, d)
	if found.Whole() || len(found.Chains) != 2 {
		t.Errorf("got %+v", found)
	}
}

func TestAuditExport(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	host := d.g.Register(t, "build7.example")
	answer := d.g.Retrieve(t, host.Key.Reveal(), strings.Repeat("0", 64), "2026-01-01T00:00:00Z")
	entries := d.g.Int(t, "SELECT count(*) FROM audit_entry")
	must(t, d.AuditExport(t.Context(), AuditExportOptions{Format: "jsonl"}))
	out, _ := d.said()
	if n := strings.Count(out, "\n"); int64(n) != entries {
		t.Errorf("got %d lines, want %d", n, entries)
	}
	// The call's id is in the answer, and in what it recorded.
	if id := answer.Header.Get("X-Request-Id"); id == "" || !strings.Contains(out, `"request_id":"`+id+`"`) {
		t.Errorf("request %q is not in %s", id, out)
	}
	must(t, d.AuditExport(t.Context(), AuditExportOptions{Format: "syslog"}))
	if out, _ := d.said(); strings.Count(out, "<110>1 ") != strings.Count(out, "\n") {
		t.Errorf("got %s", out)
	}
	if err := d.AuditExport(t.Context(), AuditExportOptions{Format: "xml"}); errs.Of(err).Kind != errs.Invalid {
		t.Errorf("got %v for a format that there is not", err)
	}
}

// A verb signs what it has done, beside a gateway or without one.
func TestVerbsSign(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	must(t, d.PolicySet(t.Context(), "quota_limit_percent", "60"))
	other, err := Open(t.Context(), d.Config)
	must(t, err)
	must(t, other.PolicySet(t.Context(), "quota_limit_percent", "70"))
	must(t, other.Close())
	signed := d.g.Int(t, "SELECT max(p.seq) FROM audit_checkpoint p WHERE p.chain = 'console'")
	if last := d.g.Int(t, "SELECT seq FROM audit_chain WHERE name = 'console'"); signed != last {
		t.Errorf("got %d signed of %d", signed, last)
	}
}
