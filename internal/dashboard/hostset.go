package dashboard

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/templates"
)

// hostSets are what the page switches on and off: how, and what is said then.
var hostSets = map[string]struct {
	action  string
	change  func(on bool) fleet.Change
	on, off string
}{
	"enabled": {
		audit.ActionHostUpdate, func(on bool) fleet.Change { return fleet.Change{Enabled: &on} },
		"is served again", "is suspended: its calls are refused",
	},
	"secure": {
		audit.ActionHostSecure, func(on bool) fleet.Change { return fleet.Change{Secure: &on} },
		"keeps its login on disk and may call at any time", "may call only while a window is open, and keeps no login on disk",
	},
	"roaming": {
		audit.ActionHostRoaming, func(on bool) fleet.Change { return fleet.Change{Roaming: &on} },
		"may call from any address", "may call from its address only",
	},
	"vip": {
		audit.ActionHostVIP, func(on bool) fleet.Change { return fleet.Change{VIP: &on} },
		"is not held back by quota", "is held back by quota like others",
	},
	// Whoever is to come by another family comes from another address.
	"force_ipv4": {
		audit.ActionHostForceIPv4, func(on bool) fleet.Change { return fleet.Change{ForceIPv4: &on, Unbind: true} },
		"uses IPv4 only; its next address becomes its own", "uses IPv6 again where it can; its next address becomes its own",
	},
}

// setHost switches one thing about a host.
func (s *Surface) setHost(v *visit) (outcome, error) {
	id, err := hostID(v)
	if err != nil {
		return nil, err
	}
	set, known := hostSets[v.post("name")]
	value := v.post("value")
	switch {
	case !known:
		return nil, errs.Field("name", "there is nothing of this name to switch")
	case value != "true" && value != "false":
		return nil, errs.Field("value", "value must be true or false")
	}
	change := set.change(value == "true")
	change.Action = set.action
	host, err := s.cfg.Fleet.Update(v.Context(), id, change, v.Actor)
	if err != nil {
		return nil, err
	}
	say := set.off
	if value == "true" {
		say = set.on
	}
	return done{To: hostURL(id, ""), Say: host.FQDN + " " + say}, nil
}

// unbindHost ends the binding to an address: the next one is the host's.
func (s *Surface) unbindHost(v *visit) (outcome, error) {
	id, err := hostID(v)
	if err != nil {
		return nil, err
	}
	host, err := s.cfg.Fleet.Update(v.Context(), id, fleet.Change{Unbind: true}, v.Actor)
	if err != nil {
		return nil, err
	}
	return done{To: hostURL(id, ""), Say: "The next address that " + host.FQDN + " calls from becomes its own"}, nil
}

// rotateHost gives a host a new key, which it gets with its next call; the old one lives until then.
func (s *Surface) rotateHost(v *visit) (outcome, error) {
	id, err := hostID(v)
	if err != nil {
		return nil, err
	}
	host, _, err := s.cfg.Fleet.Rotate(v.Context(), id, fleet.RotateOptions{}, v.Actor)
	if err != nil {
		return nil, err
	}
	return done{
		To: hostURL(id, ""), Say: host.FQDN + " gets a new key with its next synchronisation",
		More: "The old one dies when the new one is first used, and at the latest " + templates.Exact(*host.KeyUntil) + ".",
	}, nil
}

// tagOf is the same as long as all texts are.
func tagOf(texts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(texts, "\x00")))
	return hex.EncodeToString(sum[:16])
}

// unlessStale refuses a change of what is not what the form showed, which tag is of.
func unlessStale(v *visit, tag func(*db.Host) string) func(*db.Host) error {
	return func(before *db.Host) error {
		if tag(before) != v.post("base") {
			return call.ErrStale
		}
		return nil
	}
}

// fieldProblems are what is wrong with the fields of a form; nil: err is no such fault.
func fieldProblems(err error) map[string]string {
	e, is := errors.AsType[*errs.Error](err)
	if !is || e.Kind != errs.Invalid || len(e.Fields) == 0 {
		return nil
	}
	problems := map[string]string{}
	for field, texts := range e.Fields {
		problems[field] = sentence(strings.TrimPrefix(strings.Join(texts, "; "), field+" ")) // its label says which
	}
	return problems
}
