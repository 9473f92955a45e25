// Package policy keeps what admins have decided for the whole fleet: the kill switch, quota rules, pins.
package policy

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/fleet"
)

// ErrUnknown is a policy of a name that there is not.
var ErrUnknown = errs.New(errs.NotFound, "policy_unknown", "There is no such policy")

// What becomes of a slash command that a host pushes.
const (
	PushOff    = "off"    // refused
	PushReview = "review" // kept as a proposal that an admin accepts or discards
	PushOn     = "on"     // taken over at once
)

// Policy is every decision. Names are those of the database, the console and, where the wire has the field, the wire.
type Policy struct {
	APIDisabled          bool   `json:"api_disabled"`           // the kill switch: host calls are refused
	QuotaHardFail        bool   `json:"quota_hard_fail"`        // an exhausted quota stops a host from starting Codex
	QuotaLimitPercent    int    `json:"quota_limit_percent"`    // exhausted means so much; 50 to 100
	QuotaWeekPartition   int    `json:"quota_week_partition"`   // spread the week's quota over so many days: 0 (not), 5, 7
	CdxSilent            bool   `json:"cdx_silent"`             // cdx shows nothing unless something is wrong
	ClientVersion        string `json:"client_version"`         // the Codex version the fleet is to run; "": the newest
	HostPromptPush       string `json:"host_prompt_push"`       // PushOff, PushReview or PushOn
	InactivityWindowDays int    `json:"inactivity_window_days"` // hosts silent for longer are pruned; 0: never; at most 60
}

// Default is the policy of a fleet whose admins have decided nothing.
func Default() Policy {
	return Policy{QuotaHardFail: true, QuotaLimitPercent: 100, HostPromptPush: PushReview, InactivityWindowDays: 30}
}

// Service keeps the policy of one database. It is safe for concurrent use.
type Service struct {
	store *db.Store
	now   func() time.Time
}

// New makes a service. now is the clock; nil: time.Now.
func New(store *db.Store, now func() time.Time) *Service {
	if now == nil {
		now = time.Now
	}
	return &Service{store: store, now: now}
}

// State is the policy, and when each part of it was decided.
type State struct {
	Policy
	DecidedAt map[string]time.Time // :: name → when; of those that nobody decided there is none
}

// Load returns the policy as it is now.
func (s *Service) Load(ctx context.Context) (*Policy, error) {
	state, err := s.Read(ctx)
	if err != nil {
		return nil, err
	}
	return &state.Policy, nil
}

// Read returns the policy as it is now, and since when.
func (s *Service) Read(ctx context.Context) (*State, error) { return read(ctx, s.store.Queries) }

func read(ctx context.Context, q *db.Queries) (*State, error) {
	rows, err := q.PolicyList(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the policy: %w", err)
	}
	state := &State{Policy: Default(), DecidedAt: map[string]time.Time{}}
	for _, row := range rows {
		// A name that a newer gateway wrote is not for us.
		if err := state.set(row.Name, row.Value); err != nil && errs.Of(err).Code != ErrUnknown.Code {
			// Not wrapped: it is no fault of the caller's, whose request would be called invalid.
			return nil, fmt.Errorf("reading the policy %s: its value in the database is no good: %s", row.Name, err.Error())
		}
		state.DecidedAt[row.Name] = row.UpdatedAt
	}
	return state, nil
}

// Edit is what one policy is to be: JSON, or a bare word, as people type it: yes, off, 90, default.
type Edit struct{ Name, Value string }

// Set decides one policy; see [Edit].
//
// Errors: ErrUnknown; kind Invalid on field name.
func (s *Service) Set(ctx context.Context, name, value string, by audit.Actor) error {
	_, err := s.Apply(ctx, []Edit{{name, value}}, nil, by)
	return err
}

// Apply decides several policies, all or none, and returns what is decided then. agree, unless nil, is asked about what was
// decided before, which stays so until this is done; its error is returned.
//
// Errors: ErrUnknown; kind Invalid on the field that is the policy's name.
func (s *Service) Apply(ctx context.Context, edits []Edit, agree func(before *State) error, by audit.Actor) (after *State, err error) {
	err = s.store.WithTx(ctx, func(q *db.Queries) error {
		if err := q.PolicyLock(ctx); err != nil {
			return fmt.Errorf("locking the policy: %w", err)
		}
		before, err := read(ctx, q)
		if err != nil {
			return err
		}
		if agree != nil {
			if err := agree(before); err != nil {
				return err
			}
		}
		was, now := before.Values(), s.now().UTC()
		for _, edit := range edits {
			raw, err := new(Default()).parse(edit.Name, edit.Value)
			if err != nil {
				return err
			}
			if err := q.PolicySet(ctx, db.PolicySetParams{Name: edit.Name, Value: raw, Now: now}); err != nil {
				return fmt.Errorf("setting the policy %s: %w", edit.Name, err)
			}
			err = audit.Record(ctx, q, audit.Entry{
				At: now, Actor: by, Action: audit.ActionPolicySet,
				Details: audit.Details{"name": edit.Name, "value": raw, "before": was[edit.Name]},
			})
			if err != nil {
				return err
			}
		}
		after, err = read(ctx, q)
		return err
	})
	if err != nil {
		return nil, err
	}
	return after, nil
}

// Names are all policies, in the order of their fields.
func Names() []string {
	names := make([]string, 0, len(fields))
	for _, f := range fields {
		names = append(names, f.name)
	}
	return names
}

// Values returns the policy by name, as JSON.
func (p *Policy) Values() map[string]json.RawMessage {
	text, err := json.Marshal(p)
	if err != nil {
		panic(fmt.Sprintf("encoding the policy: %v", err)) // strings, numbers and booleans always encode
	}
	values := map[string]json.RawMessage{}
	_ = json.Unmarshal(text, &values) // just written
	return values
}

// field is one policy: where its value goes, and what is wrong with a value that does not fit.
type field struct {
	name  string
	at    func(*Policy) any
	check func(*Policy) bool
	want  string
}

var fields = []field{
	{"api_disabled", func(p *Policy) any { return &p.APIDisabled }, anything, "true or false"},
	{"quota_hard_fail", func(p *Policy) any { return &p.QuotaHardFail }, anything, "true or false"},
	{"quota_limit_percent", func(p *Policy) any { return &p.QuotaLimitPercent }, func(p *Policy) bool {
		return 50 <= p.QuotaLimitPercent && p.QuotaLimitPercent <= 100
	}, "a number from 50 to 100"},
	{"quota_week_partition", func(p *Policy) any { return &p.QuotaWeekPartition }, func(p *Policy) bool {
		return slices.Contains([]int{0, 5, 7}, p.QuotaWeekPartition)
	}, "0, 5 or 7"},
	{"cdx_silent", func(p *Policy) any { return &p.CdxSilent }, anything, "true or false"},
	{"client_version", func(p *Policy) any { return &p.ClientVersion }, func(p *Policy) bool {
		return p.ClientVersion == "" || fleet.IsVersion(p.ClientVersion)
	}, "a version such as 0.63.0, or an empty text for the newest"},
	{"host_prompt_push", func(p *Policy) any { return &p.HostPromptPush }, func(p *Policy) bool {
		return slices.Contains([]string{PushOff, PushReview, PushOn}, p.HostPromptPush)
	}, "off, review or on"},
	{"inactivity_window_days", func(p *Policy) any { return &p.InactivityWindowDays }, func(p *Policy) bool {
		return 0 <= p.InactivityWindowDays && p.InactivityWindowDays <= 60
	}, "a number from 0 (never) to 60"},
}

func anything(*Policy) bool { return true }

func (p *Policy) set(name string, value json.RawMessage) error {
	i := slices.IndexFunc(fields, func(f field) bool { return f.name == name })
	if i < 0 {
		return ErrUnknown.With("name", name).With("known", Names())
	}
	f := fields[i]
	if bytes.Equal(value, []byte("null")) || json.Unmarshal(value, f.at(p)) != nil || !f.check(p) {
		return errs.Field(name, name+" wants "+f.want)
	}
	return nil
}

// parse reads a value as people write it and returns its JSON.
func (p *Policy) parse(name, value string) (json.RawMessage, error) {
	value = strings.TrimSpace(value)
	if standard, known := new(Default()).Values()[name]; known && strings.EqualFold(value, "default") {
		return standard, nil
	}
	candidates := []string{value}
	switch strings.ToLower(value) {
	case "yes", "on":
		candidates = append(candidates, "true")
	case "no", "off":
		candidates = append(candidates, "false")
	}
	quoted, err := json.Marshal(value)
	if err != nil {
		return nil, errs.Field(name, name+" wants a text")
	}
	candidates = append(candidates, string(quoted))
	for _, candidate := range candidates {
		if !json.Valid([]byte(candidate)) {
			continue
		}
		if err = p.set(name, json.RawMessage(candidate)); err == nil {
			return json.RawMessage(candidate), nil
		}
	}
	return nil, err
}
