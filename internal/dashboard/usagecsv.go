package dashboard

import (
	"encoding/csv"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/usage"
)

const (
	pathUsageCSV     = "/dashboard/usage.csv"
	pathUsageDaysCSV = "/dashboard/usage/days.csv"
	pathIngestsCSV   = "/dashboard/usage/ingests.csv"
)

// sheet is a CSV file on its way to a browser. A cell that is text is one to a spreadsheet, too, whatever a host has called
// itself: what would be a formula there begins with an apostrophe.
type sheet struct {
	w   *csv.Writer
	err error
}

func newSheet(w http.ResponseWriter, name string, columns ...string) *sheet {
	attach(w, kindCSV, name)
	s := &sheet{w: csv.NewWriter(w)}
	s.w.UseCRLF = true
	s.row(columns...)
	return s
}

// row writes cells that are ready. After an error, which is that the browser is gone, it does nothing.
func (s *sheet) row(cells ...string) {
	if s.err == nil {
		s.err = s.w.Write(cells)
	}
}

// send sends what was written, and reports whether the browser is still there.
func (s *sheet) send() bool {
	s.w.Flush()
	if s.err == nil {
		s.err = s.w.Error()
	}
	return s.err == nil
}

// cellNumber is a number that may not be known: an empty cell then.
func cellNumber(n *int64) string {
	if n == nil {
		return ""
	}
	return strconv.FormatInt(*n, 10)
}

func cellCost(cost *float64) string {
	if cost == nil {
		return ""
	}
	return strconv.FormatFloat(*cost, 'f', -1, 64)
}

// sumColumns are the columns of sumCells.
var sumColumns = []string{"sessions", "sessions_with_tokens", "sessions_with_price", "total", "input", "cached", "output", "reasoning", "cost_usd"}

func sumCells(sum *usage.Sum) []string {
	number := func(n int64) string {
		if sum.Events > 0 && sum.Counted == 0 {
			return ""
		}
		return strconv.FormatInt(n, 10)
	}
	return []string{
		strconv.FormatInt(sum.Events, 10), strconv.FormatInt(sum.Counted, 10), strconv.FormatInt(sum.Priced, 10), number(sum.Total), number(sum.Input),
		number(sum.Cached), number(sum.Output), number(sum.Reasoning), cellCost(sum.Cost),
	}
}

// usageCSV serves all models, hosts or users of the page as a file.
func (s *Surface) usageCSV(w http.ResponseWriter, v *visit) error {
	view, err := parseUsageView(v)
	if err != nil {
		return err
	}
	var file *sheet
	for skip := 0; ; skip += csvBatch {
		groups, _, err := s.cfg.Usage.Groups(v.Context(), view.groupQuery(skip, csvBatch))
		switch {
		case err != nil && file == nil:
			return err
		case err != nil:
			s.breakOff(v, "usage", err)
		case file == nil:
			columns := append([]string{"since", "until", view.by}, sumColumns...)
			file = newSheet(w, csvName("usage-by-"+view.by, &view), append(columns, "total_before", "cost_usd_before")...)
		}
		for i := range groups {
			group := &groups[i]
			name := harmless(group.Name)
			if view.by == usage.ByHost && name == "" {
				name = goneHosts
			}
			cells := append([]string{view.since().Format(time.DateOnly), view.until.Format(time.DateOnly), name}, sumCells(&group.Sum)...)
			before := ""
			if !view.alone {
				before = strconv.FormatInt(group.Before.Total, 10)
			}
			file.row(append(cells, before, cellCost(group.Before.Cost))...)
		}
		if !file.send() || len(groups) < csvBatch {
			return nil // the browser is gone, or has all
		}
	}
}

// csvBatch is how many rows are in memory at once.
const csvBatch = 1000

func csvName(what string, view *usageView) string {
	return what + "-" + view.since().Format("20060102") + "-" + view.until.Format("20060102") + ".csv"
}

// usageDaysCSV serves the days of the page as a file: those that are known.
func (s *Surface) usageDaysCSV(w http.ResponseWriter, v *visit) error {
	view, err := parseUsageView(v)
	if err != nil {
		return err
	}
	first, err := s.cfg.Usage.FirstDay(v.Context())
	if err != nil {
		return err
	}
	days, err := s.cfg.Usage.Days(v.Context(), view.span(view.since()))
	if err != nil {
		return err
	}
	file := newSheet(w, csvName("usage-by-day", &view), append([]string{"day"}, sumColumns...)...)
	for date := view.since(); !date.After(view.until) && !first.IsZero(); date = date.AddDate(0, 0, 1) {
		sum := usage.Sum{Cost: new(0.0)}
		if len(days) > 0 && days[0].Day.Equal(date) {
			sum, days = days[0].Sum, days[1:]
		}
		if !date.Before(first) {
			file.row(append([]string{date.Format(time.DateOnly)}, sumCells(&sum)...)...)
		}
	}
	file.send()
	return nil
}

// ingestsCSV serves all reports that the page's address finds as a file, the newest first, however many there are.
func (s *Surface) ingestsCSV(w http.ResponseWriter, v *visit) error {
	view, err := parseIngestsView(v)
	if err != nil {
		return err
	}
	var file *sheet
	begin := func() {
		if file == nil {
			file = newSheet(w, "usage-reports-"+v.now.Format("20060102")+".csv",
				"id", "at", "host_id", "host", "client_ip", "sessions", "total", "input", "cached", "output", "reasoning", "cost_usd")
		}
	}
	rows := 0
	err = s.cfg.Usage.EachReport(v.Context(), view.query(), func(r *db.UsageIngestPageRow) error {
		begin()
		host, ip := "", ""
		if r.FQDN != nil {
			host = harmless(*r.FQDN)
		}
		if r.IP != nil {
			ip = r.IP.String()
		}
		file.row(strconv.FormatInt(r.ID, 10), r.At.UTC().Format(time.RFC3339), cellNumber(r.HostID), host, ip, strconv.FormatInt(int64(r.Entries), 10),
			cellNumber(r.Total), cellNumber(r.Input), cellNumber(r.Cached), cellNumber(r.Output), cellNumber(r.Reasoning), cellCost(r.Cost))
		if rows++; rows%csvBatch == 0 && !file.send() {
			return errGone
		}
		return nil
	})
	switch {
	case err == nil, errors.Is(err, errGone):
	case file == nil:
		return err
	default:
		s.breakOff(v, "usage", err)
	}
	begin()
	file.send()
	return nil
}

// errGone ends a file whose browser is gone: nobody is to be told.
var errGone = errors.New("the browser is gone")
