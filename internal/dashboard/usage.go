package dashboard

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/a-h/templ"

	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/internal/usage"
	"github.com/cdxgate/cdxgate/templates"
)

const (
	pathUsage   = "/dashboard/usage"
	pathIngests = "/dashboard/usage/ingests"
)

const (
	usageRows     = 50 // of a page of models, hosts or users
	maxUsagePage  = 1000
	maxFilterText = 256
	usageDays     = 30 // unless the address says otherwise
)

// usageRanges are the numbers of days that one can look at.
var usageRanges = []int{1, 7, 30, 90, 180}

// usageView is what the address asks for. The zero values of its texts are the defaults, which the address leaves out.
type usageView struct {
	days    int
	until   time.Time // the last day
	today   time.Time
	by      string // usage.ByModel and others
	cost    bool   // the chart is of costs
	alone   bool   // nothing is compared
	table   bool   // the days are a table as well
	host    *int64
	model   *string
	user    *string
	sort    string
	upwards bool
	page    int
}

// parseUsageView reads the address. Errors: kind Invalid, about the first parameter that makes no sense.
func parseUsageView(v *visit) (usageView, error) {
	q := &addressQuery{v: v}
	view := usageView{
		today: v.now.Truncate(24 * time.Hour), days: q.number("days", usageDays, 1, usageRanges[len(usageRanges)-1]),
		by:   q.word("by", usage.ByModel, usage.ByModel, usage.ByHost, usage.ByUser),
		cost: q.word("show", "tokens", "tokens", "cost") == "cost", alone: q.word("compare", "yes", "yes", "no") == "no",
		table: q.word("table", "no", "no", "yes") == "yes", model: q.textIfGiven("model"), user: q.textIfGiven("user"),
		sort: q.word("sort", "total", usage.GroupOrders...), page: q.number("page", 1, 1, maxUsagePage),
	}
	view.upwards = q.word("dir", "desc", "asc", "desc") == "asc"
	if !slices.Contains(usageRanges, view.days) {
		q.fail("days", "days must be 1, 7, 30, 90 or 180")
	}
	if v.URL.Query().Has("host") {
		view.host = new(int64(q.number("host", 0, 0, 1<<53)))
	}
	view.until = q.day("until", view.today)
	return view, q.err
}

// since is the first day, before the first of the days that it is compared with.
func (u *usageView) since() time.Time  { return u.until.AddDate(0, 0, 1-u.days) }
func (u *usageView) before() time.Time { return u.until.AddDate(0, 0, 1-2*u.days) }

// filtered reports whether the view is of a part of the fleet.
func (u *usageView) filtered() bool { return u.host != nil || u.model != nil || u.user != nil }

// address is that of a page, changed as change does.
func (u usageView) address(path string, change func(*usageView)) string {
	change(&u)
	a := newAddress(path)
	a.number("days", u.days, usageDays)
	if !u.until.Equal(u.today) {
		a.set("until", u.until.Format(time.DateOnly))
	}
	a.text("by", u.by, usage.ByModel)
	if u.cost {
		a.set("show", "cost")
	}
	if u.alone {
		a.set("compare", "no")
	}
	if u.table {
		a.set("table", "yes")
	}
	if u.host != nil {
		a.set("host", strconv.FormatInt(*u.host, 10))
	}
	if u.model != nil {
		a.set("model", *u.model)
	}
	if u.user != nil {
		a.set("user", *u.user)
	}
	a.text("sort", u.sort, "total")
	if u.upwards {
		a.set("dir", "asc")
	}
	a.number("page", u.page, 1)
	return a.String()
}

// link is the page's address, changed as change does; a list begins anew.
func (u usageView) link(change func(*usageView)) string {
	return u.address(pathUsage, func(u *usageView) { u.page = 1; change(u) })
}

// usageFacts is what the page is made of.
type usageFacts struct {
	usageView
	has func(string) bool

	first    time.Time      // the first day that there is usage of; zero: there is none
	days     []usage.DaySum // from before on
	groups   []usage.Group
	found    int64       // groups in all
	sums     []usage.Sum // today, in seven days, this month, in all; nil: not shown
	hostName string      // of the host that the view is about; "": it is gone, or the view is not of one
	now      time.Time
}

// usage serves tokens and cost. However many hosts there are and whatever they have reported, it reads sums by day, in four
// queries and one for the name of a host.
func (s *Surface) usage(v *visit) (page, error) {
	view, err := parseUsageView(v)
	if err != nil {
		return page{}, err
	}
	f := &usageFacts{usageView: view, has: s.has, now: v.now}
	if err := s.usageFacts(v, f); err != nil {
		return page{}, err
	}
	shown := usagePage(f)
	return page{
		Title: "Usage and cost", Path: pathUsage, Body: templates.Usage(shown),
		Parts: map[string]templ.Component{"us-figures": templates.UsageFigures(shown), "us-chart": templates.UsageChartPart(shown)},
	}, nil
}

func (s *Surface) usageFacts(v *visit, f *usageFacts) (err error) {
	ctx, service := v.Context(), s.cfg.Usage
	if f.first, err = service.FirstDay(ctx); err != nil || f.first.IsZero() {
		return err
	}
	if f.days, err = service.Days(ctx, f.span(f.before())); err != nil {
		return err
	}
	if v.wants("us-groups") {
		if f.groups, f.found, err = service.Groups(ctx, f.groupQuery((f.page-1)*usageRows, usageRows)); err != nil {
			return err
		}
		if !f.filtered() && f.until.Equal(f.today) {
			month := time.Date(f.today.Year(), f.today.Month(), 1, 0, 0, 0, 0, time.UTC)
			if f.sums, err = service.Totals(ctx, f.today, f.today.AddDate(0, 0, -6), month, f.first); err != nil {
				return err
			}
		}
	}
	if f.host != nil && *f.host != 0 {
		host, err := s.cfg.Fleet.ByID(ctx, *f.host)
		switch {
		case err == nil:
			f.hostName = host.FQDN
		case !errors.Is(err, fleet.ErrHostNotFound):
			return err
		}
	}
	return nil
}

// span is what the view is of, from a day on.
func (u *usageView) span(since time.Time) usage.Span {
	return usage.Span{Since: since, Until: u.until, Host: u.host, Model: u.model, User: u.user}
}

func (u *usageView) groupQuery(skip, most int) usage.GroupQuery {
	query := usage.GroupQuery{Span: u.span(u.since()), By: u.by, Sort: u.sort, Descending: !u.upwards, Skip: skip, Max: most}
	if !u.alone {
		query.Before = u.before()
	}
	return query
}

// addressQuery reads the parameters of a page's address: err is what was wrong first, and every value is a fallback then.
type addressQuery struct {
	v   *visit
	err error
}

func (q *addressQuery) fail(field, text string) {
	if q.err == nil {
		q.err = errs.Field(field, text)
	}
}

func (q *addressQuery) number(name string, fallback, low, high int) int {
	text := q.v.query(name)
	if text == "" {
		return fallback
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		q.fail(name, fmt.Sprintf("%s must be a number from %d to %d", name, low, high))
		return fallback
	}
	return n
}

func (q *addressQuery) word(name, fallback string, words ...string) string {
	text := q.v.query(name)
	switch {
	case text == "":
		return fallback
	case !slices.Contains(words, text):
		q.fail(name, name+" must be one of "+strings.Join(words, ", "))
		return fallback
	}
	return text
}

// day is a parameter that is a day of the past, or today.
func (q *addressQuery) day(name string, today time.Time) time.Time {
	text := q.v.query(name)
	if text == "" {
		return today
	}
	day, err := time.Parse(time.DateOnly, text)
	if err != nil || day.After(today) || day.Year() < 2000 {
		q.fail(name, name+" must be a day like 2026-01-31, today at the latest")
		return today
	}
	return day
}

// text is a parameter that is a text to look for.
func (q *addressQuery) text(name string) string {
	text := q.v.query(name)
	if len(text) > maxFilterText || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		q.fail(name, fmt.Sprintf("%s must be a text of at most %d bytes without control characters", name, maxFilterText))
		return ""
	}
	return text
}

// textIfGiven is a parameter that is a text, perhaps empty; nil: it is not given.
func (q *addressQuery) textIfGiven(name string) *string {
	if !q.v.URL.Query().Has(name) {
		return nil
	}
	return new(q.text(name))
}
