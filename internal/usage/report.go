package usage

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/errs"
)

// ErrReportNotFound is a report that never was, or was pruned.
var ErrReportNotFound = errs.New(errs.NotFound, "usage_not_found", "There is no such usage report")

// Orders are what reports can be sorted by; the first is when they came.
var Orders = []string{
	"created_at", "entries", "total", "input", "output", "cached", "reasoning", "cost", "host", "client_ip", "id",
}

// ReportQuery asks for a part of the reports.
type ReportQuery struct {
	HostID       int64  // 0: of all
	Search       string // found in the host's name or the address; if it is a number, also the id of the report or the host
	Since, Until *time.Time
	Sort         string // one of Orders; what is unknown is at the end, those of equal rank are in the order of their ids
	Descending   bool
	After        *ReportPlace // nil: from the beginning
	Skip, Max    int
	Count        int // of all reports so many are counted at most; 0: each
}

// ReportPlace is a place in a list: after a report of this rank and id.
type ReportPlace struct {
	Unknown bool      // what it is sorted by is not known
	At      time.Time // when it came, if it is sorted by that
	Number  int64     // what it is sorted by otherwise, if that is a number
	Name    string    // likewise, a text
	ID      int64
}

// wanted is what is searched for, if it may be an id.
func (q *ReportQuery) wanted() *int64 {
	n, err := strconv.ParseInt(q.Search, 10, 64)
	if err != nil {
		return nil
	}
	return &n
}

// newest reports whether the query has the order that an index knows, and nothing that keeps it from being used.
func (q *ReportQuery) newest() bool {
	return q.Sort == Orders[0] && q.Descending && q.Since == nil && q.Until == nil && q.After == nil
}

// Reports returns a part of the reports, and how many there are in all. Errors: kind Invalid on field sort.
func (s *Service) Reports(ctx context.Context, query ReportQuery) (reports []db.UsageIngestPageRow, total int64, err error) {
	if !slices.Contains(Orders, query.Sort) {
		return nil, 0, errs.Field("sort", "sort must be one of "+strings.Join(Orders, ", "))
	}
	host, most := idOrNil(query.HostID), int32(math.MaxInt32)
	if query.Count > 0 {
		most = int32(query.Count) //nolint:gosec // a bound of a page
	}
	total, err = s.store.Replanned().UsageIngestCount(ctx, db.UsageIngestCountParams{
		HostID: host, Since: query.Since, Until: query.Until, Search: query.Search, Wanted: query.wanted(), Most: most,
	})
	if err != nil {
		return nil, 0, fmt.Errorf("counting reports: %w", err)
	}
	if query.newest() {
		reports, err = s.newest(ctx, query, nil)
		return reports, total, err
	}
	params := db.UsageIngestPageParams{
		Sort: query.Sort, HostID: host, Since: query.Since, Until: query.Until, Search: query.Search, Wanted: query.wanted(), Descending: query.Descending,
		Skip: int32(query.Skip), Max: int32(query.Max), //nolint:gosec // pages
	}
	if at := query.After; at != nil {
		params.Past, params.Unknown, params.At, params.Number, params.Name, params.ID = true, at.Unknown, at.At, at.Number, at.Name, at.ID
	}
	if reports, err = s.store.Replanned().UsageIngestPage(ctx, params); err != nil {
		return nil, 0, fmt.Errorf("listing reports: %w", err)
	}
	return reports, total, nil
}

// newest returns a part of the reports, the newest first: those before one, or, if it is nil, all.
func (s *Service) newest(ctx context.Context, query ReportQuery, before *db.UsageIngestPageRow) (reports []db.UsageIngestPageRow, err error) {
	params := db.UsageIngestNewestParams{
		HostID: idOrNil(query.HostID), Search: query.Search, Wanted: query.wanted(), Skip: int32(query.Skip), Max: int32(query.Max), //nolint:gosec // pages
	}
	if before != nil {
		params.BeforeAt, params.BeforeID = &before.At, &before.ID
	}
	rows, err := s.store.Replanned().UsageIngestNewest(ctx, params)
	if err != nil {
		return nil, fmt.Errorf("listing reports: %w", err)
	}
	for i := range rows {
		reports = append(reports, inList(&rows[i]))
	}
	return reports, nil
}

// inList is a report as lists have it that are sorted by when reports came.
func inList(r *db.UsageIngestNewestRow) db.UsageIngestPageRow {
	return db.UsageIngestPageRow{
		ID: r.ID, HostID: r.HostID, At: r.At, IP: r.IP, Entries: r.Entries, Total: r.Total, Input: r.Input, Output: r.Output, Cached: r.Cached,
		Reasoning: r.Reasoning, Cost: r.Cost, FQDN: r.FQDN,
	}
}

// reportBatch is how many reports EachReport has in memory.
const reportBatch = 500

// EachReport calls fn with the reports that a query finds, the newest first, however many there are. Its error ends it.
func (s *Service) EachReport(ctx context.Context, query ReportQuery, fn func(*db.UsageIngestPageRow) error) error {
	query.Skip, query.Max = 0, reportBatch
	var last *db.UsageIngestPageRow
	for {
		reports, err := s.newest(ctx, query, last)
		if err != nil {
			return err
		}
		for i := range reports {
			if err := fn(&reports[i]); err != nil {
				return err
			}
		}
		if len(reports) < reportBatch {
			return nil
		}
		last = &reports[len(reports)-1]
	}
}

// Report returns a report with its entries. Errors: ErrReportNotFound.
func (s *Service) Report(ctx context.Context, id int64) (db.UsageIngestPageRow, []db.UsageEntry, error) {
	report, err := s.store.UsageIngestGet(ctx, id)
	switch {
	case db.IsNoRows(err):
		return db.UsageIngestPageRow{}, nil, ErrReportNotFound
	case err != nil:
		return db.UsageIngestPageRow{}, nil, fmt.Errorf("looking up a report: %w", err)
	}
	entries, err := s.store.UsageEntriesOf(ctx, id)
	if err != nil {
		return db.UsageIngestPageRow{}, nil, fmt.Errorf("reading a report: %w", err)
	}
	row := db.UsageIngestNewestRow(report)
	return inList(&row), entries, nil
}
