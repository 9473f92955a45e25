package fleet

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/errs"
)

// ErrSecure is a window for a host that needs none.
var ErrSecure = errs.New(errs.Conflict, "host_secure", "The host is a secure one: it needs no window")

// Change says what is to be different about a host. Nil leaves a thing as it is.
type Change struct {
	Enabled       *bool
	Secure        *bool
	VIP           *bool
	Roaming       *bool
	MayStore      *bool
	AllowFrom     []netip.Prefix // nil: as it is; empty: its binding decides again
	WindowMinutes *int           // 0 to 480
	ClientVersion *string        // the Codex version it is to run; "": the fleet's
	Unbind        bool           // the next address it calls from is its address

	ForceIPv4       *bool   // its cdx connects to nothing by IPv6; a binding to an IPv6 address ends, since it cannot come from there any more
	Model           *string // that Codex runs with where its user names none; "": Codex's own
	ReasoningEffort *string // likewise

	Labels map[string]string // key → value, on top of those it has; "": without this one
	Note   *string           // at most 1 KiB; "": none

	Action string // what the audit entry calls the change. Default: audit.ActionHostUpdate

	// Base is asked about the host as it is, which stays so until the change is made; its error refuses the change. Default:
	// whatever it is.
	Base func(before *db.Host) error
}

// Update changes a host. Errors: ErrHostNotFound; kind Invalid; what c.Base says.
func (s *Service) Update(ctx context.Context, id int64, c Change, by audit.Actor) (*db.Host, error) {
	params := db.HostUpdateParams{
		ID: id, Now: s.now(), Secure: c.Secure, VIP: c.VIP, Roaming: c.Roaming, MayStore: c.MayStore,
		AllowFrom: c.AllowFrom, Unbind: c.Unbind,
		ForceIPv4: c.ForceIPv4, ModelOverride: c.Model, ReasoningEffortOverride: c.ReasoningEffort,
	}
	details := audit.Details{}
	note := func(name string, flag *bool) {
		if flag != nil {
			details[name] = *flag
		}
	}
	note("secure", c.Secure)
	note("vip", c.VIP)
	note("roaming", c.Roaming)
	note("may_store", c.MayStore)
	note("enabled", c.Enabled)
	note("force_ipv4", c.ForceIPv4)
	if c.Enabled != nil {
		params.Status = new("disabled")
		if *c.Enabled {
			params.Status = new("active")
		}
	}
	if c.AllowFrom != nil {
		if err := checkNetworks(c.AllowFrom); err != nil {
			return nil, err
		}
		details["allow_from"] = c.AllowFrom
	}
	if c.WindowMinutes != nil {
		if *c.WindowMinutes < 0 || *c.WindowMinutes > maxWindowMinutes {
			return nil, errs.Field("insecure_window_minutes", "insecure_window_minutes must be a number from 0 to 480")
		}
		details["insecure_window_minutes"] = *c.WindowMinutes
		params.WindowMinutes = new(int16(*c.WindowMinutes))
	}
	if c.ClientVersion != nil {
		pin := ""
		if strings.TrimSpace(*c.ClientVersion) != "" {
			pin = cleanVersion(*c.ClientVersion)
			if !IsVersion(pin) {
				return nil, errs.Field("client_version", "client_version must be a version such as 0.63.0, or an empty text for the fleet's")
			}
			params.ClientVersionPin = &pin
		}
		params.SetPin = true
		details["client_version"] = pin
	}
	for _, name := range []struct {
		field    string
		value    *string
		maxBytes int
	}{{"model_override", c.Model, maxModelBytes}, {"reasoning_effort_override", c.ReasoningEffort, maxEffortBytes}} {
		if name.value == nil {
			continue
		}
		if *name.value != "" && (len(*name.value) > name.maxBytes || !modelName.MatchString(*name.value)) {
			return nil, errs.Field(name.field, fmt.Sprintf(
				"%s must be a name of letters, digits and ._:/@+- that begins with a letter or digit, at most %d characters, or an empty text for none",
				name.field, name.maxBytes))
		}
		details[name.field] = *name.value
	}
	if c.Unbind {
		details["unbind"] = true
	}
	if c.Note != nil {
		if err := checkNote(*c.Note); err != nil {
			return nil, err
		}
		params.Note = c.Note
	}
	return s.change(ctx, by, cmp.Or(c.Action, audit.ActionHostUpdate), details, func(q *db.Queries) (db.Host, error) {
		before, err := q.HostBefore(ctx, id)
		if err != nil {
			return db.Host{}, err
		}
		if c.Base != nil {
			if err := c.Base(&before); err != nil {
				return db.Host{}, err
			}
		}
		recordBefore(&before, details)
		if err := noteDown(&before, &params, c, details); err != nil {
			return db.Host{}, err
		}
		host, err := q.HostUpdate(ctx, params)
		if err != nil || c.ForceIPv4 == nil || !*c.ForceIPv4 || host.BoundIP == nil || !host.BoundIP.Is6() {
			return host, err
		}
		details["unbind"] = true
		return q.HostUpdate(ctx, db.HostUpdateParams{ID: id, Now: s.now(), Unbind: true})
	})
}

// noteDown puts what a change says about labels and note into params, with what they were into details. The host must be
// kept until the change is made, or two that add labels would each undo the other's.
func noteDown(before *db.Host, params *db.HostUpdateParams, c Change, details audit.Details) error {
	if c.Note != nil {
		details["note"], details["note_before"] = *c.Note, before.Note
	}
	if c.Labels == nil {
		return nil
	}
	after, err := relabelled(Labels(before), c.Labels)
	if err != nil {
		return err
	}
	details["labels"], details["labels_before"] = after, Labels(before)
	params.Labels, err = json.Marshal(after)
	return err
}

// modelName is what a model or an effort may be called. Clients put it into a command line, and use no other.
var modelName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}$`)

const (
	maxModelBytes  = 128
	maxEffortBytes = 32
)

const maxNetworks = 64

// IsVersion reports whether text may be the pin of a Codex version. It is strict: clients put it into commands, and a word
// such as “off” or “newest” would send hosts to install a version of that name.
func IsVersion(text string) bool {
	return text != "" && len(text) <= maxVersionBytes && '0' <= text[0] && text[0] <= '9' &&
		strings.Trim(text, "0123456789abcdefghijklmnopqrstuvwxyz.-+") == ""
}

// IsNetwork reports whether a prefix names a network. It is strict: one with bits beyond its length was meant to be a
// smaller one, and addresses never come in the IPv4-in-IPv6 form.
func IsNetwork(prefix netip.Prefix) bool {
	return prefix.IsValid() && prefix == prefix.Masked() && !prefix.Addr().Is4In6()
}

func checkNetworks(networks []netip.Prefix) error {
	if len(networks) > maxNetworks {
		return errs.Field("allow_from", fmt.Sprintf("allow_from takes at most %d networks", maxNetworks))
	}
	for _, network := range networks {
		if !IsNetwork(network) {
			return errs.Field("allow_from", fmt.Sprintf("allow_from wants networks such as 172.28.0.0/16 or fd00::/8, got %q", network))
		}
	}
	return nil
}

const (
	maxWindowMinutes = 480
	grace            = time.Hour // after its window was closed, an insecure host may so long bring what it has
)

// OpenWindow lets an insecure host call for so many minutes more. Errors: ErrHostNotFound, ErrSecure; kind Invalid.
func (s *Service) OpenWindow(ctx context.Context, host *db.Host, minutes int, by audit.Actor) (*db.Host, error) {
	if minutes < 1 || minutes > maxWindowMinutes {
		return nil, errs.Field("duration_minutes", "duration_minutes must be a number from 1 to 480")
	}
	if host.Secure {
		return nil, ErrSecure
	}
	details := audit.Details{"duration_minutes": minutes}
	return s.change(ctx, by, audit.ActionInsecureEnable, details, func(q *db.Queries) (db.Host, error) {
		return q.HostOpenWindow(ctx, db.HostOpenWindowParams{
			ID: host.ID, Now: s.now(), Minutes: int32(minutes), //nolint:gosec // at most 480
			Until: s.now().Add(time.Duration(minutes) * time.Minute),
		})
	})
}

// CloseWindow ends an insecure host's window. For an hour more it may store what it has. Errors: ErrHostNotFound, ErrSecure.
func (s *Service) CloseWindow(ctx context.Context, host *db.Host, by audit.Actor) (*db.Host, error) {
	if host.Secure {
		return nil, ErrSecure
	}
	until := s.now().Add(grace)
	details := audit.Details{"grace_until": until.Format(api.TimeFormat)}
	return s.change(ctx, by, audit.ActionInsecureDisable, details, func(q *db.Queries) (db.Host, error) {
		return q.HostCloseWindow(ctx, db.HostCloseWindowParams{ID: host.ID, Now: s.now(), GraceUntil: until})
	})
}

// Restore makes a pruned host one again, with the key it had. Errors: ErrHostNotFound.
func (s *Service) Restore(ctx context.Context, fqdn string, by audit.Actor) (*db.Host, error) {
	name, err := ParseFQDN(fqdn)
	if err != nil {
		return nil, err
	}
	return s.change(ctx, by, audit.ActionHostRestore, audit.Details{}, func(q *db.Queries) (db.Host, error) {
		return q.HostRestore(ctx, db.HostRestoreParams{FQDN: name, Now: s.now()})
	})
}

// change runs one statement about one host and records it.
func (s *Service) change(
	ctx context.Context, by audit.Actor, action string, details audit.Details, statement func(*db.Queries) (db.Host, error),
) (*db.Host, error) {
	var host db.Host
	err := s.store.WithTx(ctx, func(q *db.Queries) (err error) {
		host, err = statement(q)
		switch {
		case db.IsNoRows(err):
			return ErrHostNotFound
		case errs.Of(err) != nil && errs.Of(err).Kind != errs.Internal:
			return err
		case err != nil:
			return fmt.Errorf("changing a host: %w", err)
		}
		details["fqdn"] = host.FQDN
		return audit.Record(ctx, q, audit.Entry{At: s.now(), Actor: by, Action: action, HostID: host.ID, Details: details})
	})
	if err != nil {
		return nil, err
	}
	return &host, nil
}
