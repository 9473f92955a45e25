package admin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/call"
)

// logs serves GET /admin/logs: the audit trail, the newest first.
func (s *Surface) logs(r *call.Request, _ audit.Actor) (any, error) {
	q := readQuery(r, "limit", "cursor", "host_id", "action", "actor", "q")
	limit := q.number("limit", defaultPage, maxPage)
	params := db.AuditPageParams{
		Before: orNil(q.cursorID()), HostID: orNil(q.hostID()), Action: q.text("action"), Actor: q.text("actor"), Search: q.text("q"),
		Max: int32(limit) + 1, //nolint:gosec // at most maxPage; one more tells whether there is another part
	}
	if q.err != nil {
		return nil, q.err
	}
	rows, err := s.cfg.Store.AuditPage(r.Context(), params)
	if err != nil {
		return nil, fmt.Errorf("reading the audit trail: %w", err)
	}
	rows, next := pageOf(rows, limit, func(row *db.AuditPageRow) int64 { return row.ID })
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

// pageOf drops the row beyond a page, which says that there is another one: after the last of this page.
func pageOf[T any](rows []T, limit int64, id func(*T) int64) ([]T, *string) {
	if int64(len(rows)) <= limit {
		return rows, nil
	}
	rows = rows[:limit]
	return rows, cursorAt(strconv.FormatInt(id(&rows[limit-1]), 10))
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
