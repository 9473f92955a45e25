package admin

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/policy"
)

// decision is a part of the policy that has a route: how it is shown, and how a body decides it.
type decision struct {
	show func(*policy.State) any
	read func(*call.Request) ([]policy.Edit, error)
}

// decided serves the route that shows a part of the policy.
func (s *Surface) decided(d decision) actorFunc {
	return func(r *call.Request, _ audit.Actor) (any, error) {
		if q := readQuery(r); q.err != nil {
			return nil, q.err
		}
		state, err := s.cfg.Policy.Read(r.Context())
		if err != nil {
			return nil, err
		}
		return d.tagged(state), nil
	}
}

// decide serves the route that decides a part of the policy, if that is still what the caller read.
func (s *Surface) decide(d decision) actorFunc {
	return func(r *call.Request, by audit.Actor) (any, error) {
		edits, err := d.read(r)
		if err != nil {
			return nil, err
		}
		state, err := s.cfg.Policy.Apply(r.Context(), edits, func(before *policy.State) error {
			if !r.Still(d.tagged(before).ETag) {
				return call.ErrStale
			}
			return nil
		}, by)
		if err != nil {
			return nil, err
		}
		return d.tagged(state), nil
	}
}

// tagged is what is shown, with a tag that is the same as long as that is.
func (d decision) tagged(state *policy.State) call.Tagged {
	return tagged(d.show(state))
}

// tagged is an answer with a tag of all that it says.
func tagged(shown any) call.Tagged {
	text, err := json.Marshal(shown)
	if err != nil {
		panic(fmt.Sprintf("encoding an answer: %v", err)) // texts, numbers, booleans and times always encode
	}
	sum := sha256.Sum256(text)
	return call.Tagged{ETag: `"` + hex.EncodeToString(sum[:16]) + `"`, Data: shown}
}

func edit(name string, value any) policy.Edit {
	text, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("encoding a policy: %v", err)) // as above
	}
	return policy.Edit{Name: name, Value: string(text)}
}

func oneFlag(field, name string) func(*call.Request) ([]policy.Edit, error) {
	return func(r *call.Request) ([]policy.Edit, error) {
		value, err := flag(r, field)
		if err != nil {
			return nil, err
		}
		return []policy.Edit{edit(name, *value)}, nil
	}
}

// apiState is the kill switch, which spares everything here.
var apiState = decision{
	func(p *policy.State) any { return api.KillSwitch{Disabled: p.APIDisabled} },
	oneFlag("disabled", "api_disabled"),
}

var cdxSilent = decision{
	func(p *policy.State) any { return api.CdxSilent{Silent: p.CdxSilent} },
	oneFlag("silent", "cdx_silent"),
}

var quotaMode = decision{
	func(p *policy.State) any {
		return api.QuotaMode{HardFail: p.QuotaHardFail, LimitPercent: p.QuotaLimitPercent, WeekPartition: p.QuotaWeekPartition}
	},
	readQuotaMode,
}

// readQuotaMode reads hard_fail, which must be there, and what else is to change.
func readQuotaMode(r *call.Request) ([]policy.Edit, error) {
	hardFail, err := flag(r, "hard_fail")
	if err != nil {
		return nil, err
	}
	edits := []policy.Edit{edit("quota_hard_fail", *hardFail)}
	limit, err := number(r, "limit_percent", 50, 100)
	if err != nil {
		return nil, err
	}
	if limit != nil {
		edits = append(edits, edit("quota_limit_percent", *limit))
	}
	partition, err := weekPartition(r)
	if err != nil {
		return nil, err
	}
	if partition != "" {
		edits = append(edits, policy.Edit{Name: "quota_week_partition", Value: partition})
	}
	return edits, nil
}

// weekPartition reads in how many days the week is to be divided; "": as it is.
func weekPartition(r *call.Request) (string, error) {
	members := map[string]json.RawMessage{}
	if err := r.Decode(&members); err != nil {
		return "", err
	}
	raw := string(members["week_partition"])
	switch word := strings.ToLower(strings.Trim(raw, `"`)); {
	case raw == "", raw == "null":
		return "", nil
	case word == "off":
		return "0", nil
	case slices.Contains([]string{"0", "5", "7"}, word):
		return word, nil
	}
	return "", errs.Field("week_partition", "week_partition must be 0, 5, 7 or off")
}

// codexVersion is the Codex that the fleet is to run.
var codexVersion = decision{
	func(p *policy.State) any {
		if p.ClientVersion == "" {
			return api.LockedVersion{}
		}
		return api.LockedVersion{LockedVersion: &p.ClientVersion, LockedAt: api.Time{Time: p.DecidedAt["client_version"]}}
	},
	func(r *call.Request) ([]policy.Edit, error) {
		version, err := selection(r, []string{"latest", "auto"}, "selection")
		return []policy.Edit{edit("client_version", version)}, err
	},
}

var prunePolicy = decision{
	func(p *policy.State) any { return api.PrunePolicy{InactivityWindowDays: p.InactivityWindowDays} },
	func(r *call.Request) ([]policy.Edit, error) {
		days, err := number(r, "inactivity_days", 0, 60)
		if err == nil && days == nil {
			err = errs.Field("inactivity_days", "inactivity_days is required")
		}
		if err != nil {
			return nil, err
		}
		return []policy.Edit{edit("inactivity_window_days", *days)}, nil
	},
}

// number reads a member that is a number, also as digits in a text, from low to high; nil: it is not there, or null.
func number(r *call.Request, name string, low, high int) (*int, error) {
	members := map[string]json.RawMessage{}
	if err := r.Decode(&members); err != nil {
		return nil, err
	}
	raw := string(members[name])
	if raw == "" || raw == "null" {
		return nil, nil
	}
	var value float64
	err := json.Unmarshal([]byte(strings.Trim(raw, `"`)), &value)
	rounded := math.Round(value)
	if err != nil || rounded < float64(low) || rounded > float64(high) {
		return nil, errs.Field(name, fmt.Sprintf("%s must be a number from %d to %d", name, low, high))
	}
	return new(int(rounded)), nil
}
