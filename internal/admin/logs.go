package admin

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/call"
)

// logs serves GET /admin/logs: the audit trail, the newest first.
func (s *Surface) logs(r *call.Request, _ audit.Actor) (any, error) {
	q := readQuery(r, "limit", "cursor", "direction", "host_id", "action", "actor", "actor_kind", "ip", "from", "until", "q")
	limit, o := q.number("limit", defaultPage, maxPage), q.order("logs", descending, 1)
	params := db.AuditPageParams{
		Descending: o.desc, HostID: orNil(q.id("host_id")), Action: q.text("action"), Actor: q.text("actor"),
		ActorKind: q.word("actor_kind", "", audit.Kinds...), Network: q.network("ip"), Since: q.moment("from"), Until: q.moment("until"), Search: q.text("q"),
		Max: int32(limit) + 1, //nolint:gosec // at most maxPage; one more tells whether there is another part
	}
	if o.after != nil {
		params.After = &o.after.Numbers[0]
	}
	if q.err != nil {
		return nil, q.err
	}
	rows, err := s.cfg.Store.Replanned().AuditPage(r.Context(), params)
	if err != nil {
		return nil, fmt.Errorf("reading the audit trail: %w", err)
	}
	rows, next := pageOf(rows, limit, func(row *db.AuditPageRow) *string { return o.cursor("", row.ID) })
	answer := api.AdminLogs{Logs: make([]api.AdminLog, 0, len(rows)), NextCursor: next}
	for i := range rows {
		row := &rows[i]
		entry := api.AdminLog{
			ID: row.ID, HostID: row.HostID, Action: row.Action, Details: compact(row.Details), CreatedAt: api.Time{Time: row.At},
			ActorKind: row.ActorKind, Actor: row.Actor,
		}
		if row.IP != "" {
			entry.IP = &row.IP
		}
		answer.Logs = append(answer.Logs, entry)
	}
	return answer, nil
}

// compact is JSON without blanks; nil: it says nothing.
func compact(text string) *string {
	var short bytes.Buffer
	if err := json.Compact(&short, []byte(text)); err != nil || short.String() == "{}" || short.String() == "null" {
		return nil
	}
	return new(short.String())
}

func orNil(id int64) *int64 {
	if id == 0 {
		return nil
	}
	return &id
}
