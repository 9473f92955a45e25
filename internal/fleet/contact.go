package fleet

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/errs"
)

// ErrWindowClosed is an insecure host that calls outside its window.
var ErrWindowClosed = errs.New(errs.Forbidden, "insecure_api_disabled", "Insecure host API access disabled")

// windowMinutes is how far a call moves an insecure host's window on, unless the host has its own measure.
const windowMinutes = 10

// Contact is what a host says about itself when it asks for, or offers, a credential.
type Contact struct {
	Command        string // api.CommandRetrieve or CommandStore
	ClientVersion  string // as reported; "" is kept as "unknown"
	WrapperVersion string
}

// WindowOpen reports whether a host may be given anything now: a secure one always, an insecure one inside its window.
func (s *Service) WindowOpen(host *db.Host) bool {
	return host.Secure || (host.InsecureUntil != nil && !host.InsecureUntil.Before(s.now()))
}

// RecordContact counts a call for the credential and decides whether an insecure host may make it now. The returned
// host is as it is after the call; if its window is not open then, it is in the grace, and may bring but not get.
//
// Errors: ErrWindowClosed; ErrKeyInvalid, ErrHostDisabled when the host is not what it was when it was let in.
func (s *Service) RecordContact(ctx context.Context, host *db.Host, from netip.Addr, c Contact) (*db.Host, error) {
	now, minutes := s.now(), windowMinutes
	if host.WindowMinutes != nil {
		minutes = int(*host.WindowMinutes)
	}
	recorded, err := s.store.HostCall(ctx, db.HostCallParams{
		ID: host.ID, KeySHA256: host.KeySHA256, Now: now, WindowEnd: now.Add(time.Duration(minutes) * time.Minute),
		ClientVersion: cleanVersion(c.ClientVersion), WrapperVersion: cleanVersion(c.WrapperVersion),
	})
	switch {
	case err == nil:
		return &recorded, nil
	case !db.IsNoRows(err):
		return nil, fmt.Errorf("recording a call of %s: %w", host.FQDN, err)
	}
	err = s.store.WithTx(ctx, func(q *db.Queries) error {
		// Removed, replaced or switched off since the caller was let in: then it is no host's window that is closed.
		if _, err := Hold(ctx, q, host); err != nil {
			return err
		}
		return audit.Record(ctx, q, audit.Entry{
			At: now, Action: audit.ActionInsecureDenied, HostID: host.ID,
			Actor: audit.Actor{Kind: audit.KindHost, Name: host.FQDN, IP: normal(from)},
			Details: audit.Details{
				"command": c.Command, "enabled_until": wireTime(host.InsecureUntil), "grace_until": wireTime(host.GraceUntil),
			},
		})
	})
	if err != nil {
		return nil, err
	}
	return nil, ErrWindowClosed.With("enabled_until", wireTime(host.InsecureUntil)).With("grace_until", wireTime(host.GraceUntil))
}

const maxVersionBytes = 64

// cleanVersion reduces what a host reports to a version: without the program's name and without a leading v, printable,
// at most 64 bytes.
func cleanVersion(reported string) string {
	text := strings.TrimSpace(reported)
	for _, prefix := range []string{"codex-cli", "codex", "rust-"} {
		if len(text) >= len(prefix) && strings.EqualFold(text[:len(prefix)], prefix) {
			text = text[len(prefix):]
			break
		}
	}
	text = strings.TrimSpace(text)
	if rest := strings.TrimLeft(text, "vV"); rest != "" && rest[0] >= '0' && rest[0] <= '9' {
		text = rest
	}
	text = cut(printable(text), maxVersionBytes)
	if text == "" {
		return "unknown"
	}
	return text
}
