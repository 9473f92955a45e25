package dashboard

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/errs"
)

const (
	pathAuditLines = "/dashboard/audit.jsonl"
	pathAuditSheet = "/dashboard/audit.csv"
)

// auditPart is how many entries an export reads at once.
const auditPart = 1000

// auditLine is an entry in an export, and what is copied of one. Its members are those of GET /admin/logs, with what the page
// shows besides.
type auditLine struct {
	ID        int64           `json:"id"`
	At        string          `json:"created_at"`
	ActorKind string          `json:"actor_kind"`
	Actor     string          `json:"actor"`
	Action    string          `json:"action"`
	HostID    *int64          `json:"host_id"`
	Host      string          `json:"host,omitempty"`
	IP        string          `json:"ip,omitempty"`
	RequestID string          `json:"request_id,omitempty"`
	Chain     string          `json:"chain,omitempty"`
	Seq       int64           `json:"seq,omitempty"`
	Details   json.RawMessage `json:"details"`
}

func auditJSON(row *db.AuditPageRow) []byte {
	line := auditLine{
		ID: row.ID, At: auditStamp(row.At), ActorKind: row.ActorKind, Actor: row.Actor, Action: row.Action, HostID: row.HostID, Host: row.FQDN,
		IP: row.IP, RequestID: row.RequestID, Chain: row.Chain, Seq: row.Seq, Details: json.RawMessage(row.Details),
	}
	text, err := json.Marshal(line)
	if err != nil { // details that are no JSON, which the database does not hold
		line.Details = nil
		text, _ = json.Marshal(line) //nolint:errchkjson // texts and numbers
	}
	return text
}

func auditStamp(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000000Z") }

// auditLines serves what the page finds as JSON, an entry a line, the newest first.
func (s *Surface) auditLines(w http.ResponseWriter, v *visit) error {
	return s.exportAudit(w, v, "application/x-ndjson; charset=utf-8", "jsonl", func(row *db.AuditPageRow) bool {
		_, err := w.Write(append(auditJSON(row), '\n'))
		return err == nil
	}, func() bool { return true })
}

// auditColumns are those of the CSV.
var auditColumns = []string{"id", "created_at", "actor_kind", "actor", "action", "host_id", "host", "ip", "request_id", "chain", "seq", "details"}

// auditSheet serves what the page finds for a spreadsheet.
func (s *Surface) auditSheet(w http.ResponseWriter, v *visit) error {
	file := csv.NewWriter(w)
	_ = file.Write(auditColumns) // into its buffer: what cannot be sent is noticed by Flush
	return s.exportAudit(w, v, kindCSV, "csv", func(row *db.AuditPageRow) bool {
		host := ""
		if row.HostID != nil {
			host = strconv.FormatInt(*row.HostID, 10)
		}
		return file.Write([]string{
			strconv.FormatInt(row.ID, 10), auditStamp(row.At), row.ActorKind, harmless(row.Actor), harmless(row.Action), host, harmless(row.FQDN), harmless(row.IP),
			harmless(row.RequestID), harmless(row.Chain), strconv.FormatInt(row.Seq, 10), harmless(row.Details),
		}) == nil
	}, func() bool {
		file.Flush()
		return file.Error() == nil
	})
}

// exportAudit writes everything that the page's address looks for, however much it is: a part at a time. What goes wrong after the
// first part ends the connection, so that half a file is not taken for a whole. flush is called after each part. Both report whether
// the browser is still there: if not, there is nobody to tell.
func (s *Surface) exportAudit(w http.ResponseWriter, v *visit, kind, ending string, line func(*db.AuditPageRow) bool, flush func() bool) error {
	view := parseAuditView(v.URL.Query())
	params, err := s.auditParams(v, view)
	if err != nil {
		return err
	}
	if view.problem != "" {
		return errs.Field("query", view.problem)
	}
	params.Max = auditPart
	queries := s.cfg.Store.Replanned()
	rows, err := queries.AuditPage(v.Context(), params)
	if err != nil {
		return fmt.Errorf("reading the audit trail: %w", err)
	}
	attach(w, kind, "cdxgate-audit-"+v.now.Format("20060102-1504")+"."+ending)
	for {
		for i := range rows {
			if !line(&rows[i]) {
				return nil
			}
		}
		if !flush() || len(rows) < auditPart {
			return nil
		}
		params.After = &rows[len(rows)-1].ID
		if rows, err = queries.AuditPage(v.Context(), params); err != nil {
			s.breakOff(v, "the audit trail", err)
		}
	}
}
