package dashboard

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/templates"
)

const pathAudit = "/dashboard/audit"

// auditView is what the address of the audit trail asks for.
type auditView struct {
	values  url.Values // what was asked for, without what is empty and without the place in the list
	before  int64      // entries older than this one; 0: from the newest on
	after   int64      // else those just newer than this one
	size    int64
	problem string // why nothing can be looked for; "": something can
}

// auditNames are the parameters that look for something, in the order of the form.
var auditNames = []string{"q", "kind", "action", "within", "actor", "host", "from", "until", "per"}

const maxAuditText = 256 // bytes

// auditWindows are how far back one looks.
var auditWindows = []struct {
	value, label string
	length       time.Duration
}{
	{"", "Any time", 0}, {"15m", "Last 15 minutes", 15 * time.Minute}, {"1h", "Last hour", time.Hour}, {"6h", "Last 6 hours", 6 * time.Hour},
	{"24h", "Last 24 hours", 24 * time.Hour}, {"7d", "Last 7 days", 7 * 24 * time.Hour}, {"30d", "Last 30 days", 30 * 24 * time.Hour},
}

// auditKinds are who acts.
var auditKinds = []struct{ value, label, icon string }{
	{"", "Anybody", ""}, {audit.KindAdmin, "Admins", "user"}, {audit.KindHost, "Hosts", "host"}, {audit.KindOperator, "The console", "terminal"},
	{audit.KindGateway, "The gateway", "shield"}, {audit.KindInstaller, "Installers", "download"}, {audit.KindSeed, "Seed commands", "upload"},
}

// auditSizes are how many entries a page has; the first is what it has when nobody says.
var auditSizes = []int64{50, 25, 100, 200, 500}

// noHost in place of a host's name asks for what is about none.
const noHost = "none"

// parseAuditView reads an address. What is wrong in it is said on the page, which then shows nothing: a filter that is
// misunderstood would show too much.
func parseAuditView(values url.Values) *auditView {
	view := &auditView{values: url.Values{}, size: auditSizes[0]}
	for _, name := range auditNames {
		text := strings.TrimSpace(values.Get(name))
		switch {
		case len(text) > maxAuditText || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl):
			view.fail(fmt.Sprintf("What is looked for may have %d bytes and no control characters.", maxAuditText))
		case text != "":
			view.values.Set(name, text)
		}
	}
	view.before, view.after = view.place(values.Get("before")), view.place(values.Get("after"))
	if per := view.values.Get("per"); per != "" {
		n, err := strconv.ParseInt(per, 10, 64)
		if err != nil || !slices.Contains(auditSizes, n) {
			view.fail("A page has 25, 50, 100, 200 or 500 entries.")
		} else {
			view.size = n
		}
		if view.size == auditSizes[0] && view.problem == "" { // the form says it always
			view.values.Del("per")
		}
	}
	return view
}

func (view *auditView) fail(problem string) {
	if view.problem == "" {
		view.problem = problem
	}
}

func (view *auditView) place(text string) int64 {
	if text == "" {
		return 0
	}
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id < 1 {
		view.fail("There is no such place in the list. Begin with the newest entries.")
		return 0
	}
	return id
}

// address is the page with the same filter, at a place ("": the newest entries).
func (view *auditView) address(path, place string, id int64) string {
	values := maps.Clone(view.values)
	if place != "" {
		values.Set(place, strconv.FormatInt(id, 10))
	}
	if len(values) == 0 {
		return path
	}
	return path + "?" + values.Encode()
}

// instead is the page with another value of a parameter, from the newest entry on.
func (view *auditView) instead(name, value string) string {
	values := maps.Clone(view.values)
	values.Set(name, value)
	return pathAudit + "?" + values.Encode()
}

// looksFor reports whether there is a filter.
func (view *auditView) looksFor() bool {
	return slices.ContainsFunc(auditNames, func(name string) bool { return name != "per" && view.values.Has(name) })
}

// params are the filter as the database takes it, without place and size. What is wrong in it becomes the view's problem.
func (s *Surface) auditParams(v *visit, view *auditView) (params db.AuditPageParams, err error) {
	params = db.AuditPageParams{Descending: true, Search: view.values.Get("q"), Actor: view.values.Get("actor")}
	params.Action = strings.TrimSuffix(strings.TrimSuffix(view.values.Get("action"), "*"), ".")
	params.ActorKind = view.values.Get("kind")
	if params.ActorKind != "" && !slices.Contains(audit.Kinds, params.ActorKind) {
		view.fail("There are no such actors.")
	}
	params.Since, params.Until = view.moment("from"), view.moment("until")
	if within := view.values.Get("within"); within != "" {
		at := slices.IndexFunc(auditWindows, func(w struct {
			value, label string
			length       time.Duration
		},
		) bool {
			return w.value == within
		})
		if at < 0 {
			view.fail("There is no such stretch of time.")
			return params, nil
		}
		if since := v.now.Add(-auditWindows[at].length); params.Since == nil || params.Since.Before(since) {
			params.Since = &since
		}
	}
	err = s.auditHost(v, view, &params)
	return params, err
}

// auditHost adds which host entries are to be about: by its number, which it has had also if it is gone, or by its name.
func (s *Surface) auditHost(v *visit, view *auditView, params *db.AuditPageParams) error {
	host := view.values.Get("host")
	if host == "" || view.problem != "" {
		return nil
	}
	if host == noHost {
		params.Hostless = true
		return nil
	}
	if id, err := strconv.ParseInt(host, 10, 64); err == nil {
		params.HostID = &id
		return nil
	}
	found, err := s.cfg.Fleet.ByFQDN(v.Context(), strings.ToLower(host))
	if errors.Is(err, fleet.ErrHostNotFound) {
		view.fail("No host is called “" + host + "”. What is about one that is gone is found by its number, or by a search for its name.")
		return nil
	}
	if err != nil {
		return err
	}
	params.HostID = &found.ID
	return nil
}

// auditMoments are how a time may be said: as programs do, as a browser's field does, or a day.
var auditMoments = []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly}

// moment is a time, UTC unless it says otherwise; nil: none is given.
func (view *auditView) moment(name string) *time.Time {
	text := view.values.Get(name)
	if text == "" {
		return nil
	}
	for _, form := range auditMoments {
		if at, err := time.Parse(form, text); err == nil {
			return new(at.UTC())
		}
	}
	view.fail("“" + text + "” is no time such as 2026-01-31T08:00.")
	return nil
}

// filter is the form as it was sent.
func (view *auditView) filter() templates.AuditFilter {
	f := templates.AuditFilter{
		Search: view.values.Get("q"), Actor: view.values.Get("actor"), Action: view.values.Get("action"), Host: view.values.Get("host"), Actions: auditActions(),
	}
	for _, name := range []string{"actor", "host", "from", "until", "per"} {
		f.More = f.More || view.values.Has(name)
	}
	for name, field := range map[string]*string{"from": &f.From, "until": &f.Until} {
		if at := new(auditView{values: view.values}).moment(name); at != nil {
			*field = at.Format("2006-01-02T15:04:05")
		}
	}
	for _, kind := range auditKinds {
		f.Kinds = append(f.Kinds, templates.Option{Label: kind.label, Value: kind.value, Current: kind.value == view.values.Get("kind")})
	}
	for _, window := range auditWindows {
		f.Windows = append(f.Windows, templates.Option{Label: window.label, Value: window.value, Current: window.value == view.values.Get("within")})
	}
	for _, size := range slices.Sorted(slices.Values(auditSizes)) {
		f.Sizes = append(f.Sizes, templates.Option{Label: templates.Count(size, "entry", "entries"), Value: strconv.FormatInt(size, 10), Current: size == view.size})
	}
	if view.looksFor() {
		f.Clear = pathAudit
	}
	return f
}

// auditActions are the actions there are, and the groups of them, sorted: what one may look for.
func auditActions() []string {
	all := map[string]bool{}
	for action := range phrases {
		for at := range action {
			if action[at] == '.' {
				all[action[:at]] = true
			}
		}
		all[action] = true
	}
	return slices.Sorted(maps.Keys(all))
}
