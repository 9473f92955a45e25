package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/fleet"
)

const maxBatch = 500 // hosts

// batchAct does to one host what a batch does to each.
type batchAct func(ctx context.Context, id int64, by audit.Actor) error

// batch serves POST /admin/hosts/batch. What is wrong with the request is refused before anything is done; from then on each
// host is done by itself, and what is refused for one keeps none of the others.
func (s *Surface) batch(r *call.Request, by audit.Actor) (any, error) {
	var request struct {
		IDs    json.RawMessage `json:"ids"`
		Action string          `json:"action"`
		Value  json.RawMessage `json:"value"`
	}
	if err := r.Decode(&request); err != nil {
		return nil, err
	}
	ids, err := batchIDs(request.IDs)
	if err != nil {
		return nil, err
	}
	act, err := s.batchAct(request.Action, request.Value)
	if err != nil {
		return nil, err
	}
	answer := api.AdminBatch{Results: make([]api.AdminBatchResult, 0, len(ids))}
	for _, id := range ids {
		result := api.AdminBatchResult{ID: id, OK: true}
		if err := act(r.Context(), id, by); err != nil {
			result.OK, result.Code = false, new(s.batchCode(r, id, err))
		}
		answer.Results = append(answer.Results, result)
	}
	return answer, nil
}

// batchCode is the code of what went wrong with one host. A fault of ours is logged: nobody is told more.
func (s *Surface) batchCode(r *call.Request, id int64, err error) string {
	refusal := errs.Of(err)
	if refusal.Kind != errs.Internal {
		return refusal.Code
	}
	s.cfg.Logger.ErrorContext(r.Context(), "a host of a batch failed", "request_id", r.ID, "host_id", id, "error", err)
	if db.IsUnavailable(err) {
		return call.ErrDatabase.Code
	}
	return refusal.Code
}

func batchIDs(raw json.RawMessage) ([]int64, error) {
	var ids []int64
	err := json.Unmarshal(raw, &ids)
	sorted := slices.Sorted(slices.Values(ids))
	if err != nil || len(ids) == 0 || len(ids) > maxBatch || sorted[0] < 1 || len(slices.Compact(sorted)) < len(ids) {
		return nil, errs.Field("ids", fmt.Sprintf("ids must be a list of 1 to %d ids of hosts, none of them twice", maxBatch))
	}
	return ids, nil
}

// batchChanges read from a batch's value what is to be different about each host.
var batchChanges = map[string]func(value json.RawMessage) (fleet.Change, error){
	"suspend": valueless(fleet.Change{Enabled: new(false)}),
	"resume":  valueless(fleet.Change{Enabled: new(true)}),
	"unbind":  valueless(fleet.Change{Unbind: true}),
	"vip": func(value json.RawMessage) (c fleet.Change, err error) {
		c.Action = audit.ActionHostVIP
		c.VIP, err = flagValue(value)
		return c, err
	},
	"roaming": func(value json.RawMessage) (c fleet.Change, err error) {
		c.Action = audit.ActionHostRoaming
		c.Roaming, err = flagValue(value)
		return c, err
	},
	"secure": func(value json.RawMessage) (c fleet.Change, err error) {
		c.Action = audit.ActionHostSecure
		c.Secure, err = flagValue(value)
		return c, err
	},
	"labels": func(value json.RawMessage) (c fleet.Change, err error) {
		c.Labels, err = labelsOf("value", value)
		return c, err
	},
}

const (
	batchDelete = "delete"
	batchClose  = "insecure_disable"
)

// batchAct is what a batch does, by the name of its action.
func (s *Surface) batchAct(action string, value json.RawMessage) (batchAct, error) {
	if read := batchChanges[action]; read != nil {
		wanted, err := read(value)
		return func(ctx context.Context, id int64, by audit.Actor) error {
			_, err := s.cfg.Fleet.Update(ctx, id, wanted, by)
			return err
		}, err
	}
	switch action {
	case batchDelete:
		return func(ctx context.Context, id int64, by audit.Actor) error {
			_, err := s.cfg.Fleet.Delete(ctx, id, by, audit.ActionAdminHostDelete)
			return err
		}, noValue(value)
	case batchClose:
		return func(ctx context.Context, id int64, by audit.Actor) error {
			host, err := s.cfg.Fleet.ByID(ctx, id)
			if err != nil {
				return err
			}
			_, err = s.windowClosed(ctx, host, by)
			return err
		}, noValue(value)
	}
	actions := slices.Sorted(maps.Keys(batchChanges))
	return nil, errs.Field("action", "action must be one of "+strings.Join(append(actions, batchClose, batchDelete), ", "))
}

func valueless(c fleet.Change) func(json.RawMessage) (fleet.Change, error) {
	return func(value json.RawMessage) (fleet.Change, error) { return c, noValue(value) }
}

// noValue refuses a value where there is nothing to say: whoever sent one meant another action.
func noValue(value json.RawMessage) error {
	if len(value) == 0 || string(value) == "null" {
		return nil
	}
	return errs.Field("value", "this action takes no value")
}

func flagValue(value json.RawMessage) (*bool, error) {
	var flag api.FlexBool
	if err := json.Unmarshal(value, &flag); err != nil || !flag.Set || flag.Invalid {
		return nil, errs.Field("value", "value must be boolean")
	}
	return &flag.Value, nil
}
