package dashboard

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/templates"
)

// maxChosen is how many hosts one act is done to, as in POST /admin/hosts/batch.
const maxChosen = 500

// hostsAct is what can be done to chosen hosts: what POST /admin/hosts/batch does.
type hostsAct struct {
	name, label, icon string
	done              string       // what is said then; %s: how many hosts
	change            fleet.Change // unless do is there

	// What comes first, so that nobody does it to many by a slip: the question, what follows, what stays. "": nothing is asked.
	verb    string // "Suspend 3 hosts?"
	effects func(c chosen) []string
	note    string
	typed   bool // it cannot be undone: how many has to be typed

	do func(s *Surface, ctx context.Context, id int64, by audit.Actor) error
}

// hostsActs are all of them in the order of the bar and its menu.
var hostsActs = []hostsAct{
	{
		name: "suspend", label: "Suspend", icon: "paused", done: "%s suspended", change: fleet.Change{Enabled: new(false)}, verb: "Suspend",
		effects: func(c chosen) []string {
			return []string{
				c.keys() + " are refused from the next call on: no login, no sync, and cdx starts no Codex there.",
				c.lately(),
			}
		},
		note: "An access token that they hold already stays good until it expires. They can be resumed at any time.",
	},
	{name: "resume", label: "Resume", icon: "power", done: "%s resumed", change: fleet.Change{Enabled: new(true)}},
	{name: "close", label: "Close windows", icon: "locked", done: "The windows of %s are closed", do: (*Surface).closeListWindow},
	{name: "labels", label: "Label…", icon: "edit", done: "%s labelled"},
	{name: "roaming", label: "May roam", icon: "roaming", done: "%s may roam now", change: fleet.Change{Roaming: new(true), Action: audit.ActionHostRoaming}},
	{name: "bound", label: "May not roam", icon: "locked", done: "%s may not roam any more", change: fleet.Change{Roaming: new(false), Action: audit.ActionHostRoaming}},
	{name: "vip", label: "Make VIP", icon: "vip", done: "%s made VIP", change: fleet.Change{VIP: new(true), Action: audit.ActionHostVIP}},
	{name: "plain", label: "No VIP any more", icon: "user", done: "%s made ordinary hosts", change: fleet.Change{VIP: new(false), Action: audit.ActionHostVIP}},
	{
		name: "secure", label: "Make secure…", icon: "shield", done: "%s made secure", change: fleet.Change{Secure: new(true), Action: audit.ActionHostSecure}, verb: "Make secure",
		effects: func(c chosen) []string {
			return []string{c.text() + " may keep the login on disk between runs, and need no window any more."}
		},
	},
	{
		name: "insecure", label: "Make insecure…", icon: "locked", done: "%s made insecure", change: fleet.Change{Secure: new(false), Action: audit.ActionHostSecure}, verb: "Make insecure",
		effects: func(c chosen) []string {
			return []string{c.text() + " keep no login on disk, and may call only inside a window that you open.", c.lately()}
		},
	},
	{
		name: "unbind", label: "End binding…", icon: "moved", done: "%s unbound", change: fleet.Change{Unbind: true}, verb: "End the binding of",
		effects: func(c chosen) []string {
			return []string{templates.Count(c.bound, "host is", "hosts are") + " bound to an address now. Whoever calls next with the key of one decides its new address."}
		},
		note: "The address that a host had stays in the audit trail.",
	},
	{
		name: "delete", label: "Remove…", icon: "remove", done: "%s removed", verb: "Remove", typed: true,
		effects: func(c chosen) []string {
			return []string{
				c.keys() + " stop working on every gateway at once. " + templates.Count(c.users, "user loses", "users lose") + " Codex there.",
				"What they were given, their users and their proposals go with them; their usage stays in the fleet's sums without their names.",
				c.lately(),
			}
		},
		note: "The audit trail stays. To come back a host needs a new install command.",
		do: func(s *Surface, ctx context.Context, id int64, by audit.Actor) error {
			_, err := s.cfg.Fleet.Delete(ctx, id, by, audit.ActionAdminHostDelete)
			return err
		},
	},
}

// chosen are the hosts that something is to be done to.
type chosen struct {
	names []string // of those that are there, sorted
	seen  int64    // called in the last 24 hours
	bound int64
	users int64
}

func (c chosen) n() int64     { return int64(len(c.names)) }
func (c chosen) text() string { return templates.Count(c.n(), "host", "hosts") }
func (c chosen) keys() string { return "The API keys of " + c.text() }

// lately says how many notice; "": none.
func (c chosen) lately() string {
	if c.seen == 0 {
		return ""
	}
	return templates.Count(c.seen, "of them has", "of them have") + " called in the last 24 hours."
}

// word is what has to be typed to confirm.
func (c chosen) word() string {
	if len(c.names) == 1 {
		return c.names[0]
	}
	return "remove " + strconv.Itoa(len(c.names))
}

const maxNamed = 6

// list names the hosts, at most maxNamed of them.
func (c chosen) list() string {
	if more := len(c.names) - maxNamed; more > 0 {
		return strings.Join(c.names[:maxNamed], ", ") + " and " + templates.Grouped(int64(more)) + " more."
	}
	return strings.Join(c.names, ", ") + "."
}

// chosenSums adds up what is known about hosts.
func chosenSums(hosts []db.Host, beside map[int64]*db.HostBesideRow, now time.Time) (c chosen) {
	for i := range hosts {
		h := &hosts[i]
		c.names = append(c.names, h.FQDN)
		if h.LastSeenAt != nil && now.Sub(*h.LastSeenAt) < 24*time.Hour {
			c.seen++
		}
		if h.BoundIP != nil {
			c.bound++
		}
		if row := beside[h.ID]; row != nil {
			c.users += row.Users
		}
	}
	return c
}

// question is what is asked before an act.
func (a *hostsAct) question(c chosen, fields []templates.Field, back string) templates.Confirm {
	q := templates.Confirm{
		ID: "hosts-ask", Title: a.verb + " " + c.text() + "?", Note: strings.TrimSpace(c.list() + " " + a.note),
		Effects: slices.DeleteFunc(a.effects(c), func(text string) bool { return text == "" }),
		Keep:    templates.Action{Label: "Cancel", Href: back},
		Do: templates.Action{
			Label: strings.TrimSuffix(a.label, "…"), Icon: a.icon, Post: pathHostsBatch, Kind: templates.Primary,
			Fields: append(fields, templates.Field{Name: "sure", Value: "yes"}),
		},
	}
	if a.typed {
		q.Type, q.Do.Kind = c.word(), templates.DangerNow
	}
	return q
}

// hostsBulk is the bar of what can be done to chosen hosts: the first three beside each other, the rest in a menu.
func hostsBulk(why string) templates.HostsBulk {
	bulk := templates.HostsBulk{Post: pathHostsBatch, Why: why}
	for i := range hostsActs {
		a := &hostsActs[i]
		item := templates.HostsAct{Name: a.name, Label: a.label, Icon: a.icon, Bad: a.typed}
		if i < 3 {
			bulk.First = append(bulk.First, item)
		} else {
			bulk.More = append(bulk.More, item)
		}
	}
	return bulk
}

// batchHosts does to chosen hosts what the bar below the list says: at once, or when its question was answered. Each host is
// done by itself; what is refused for one keeps none of the others.
func (s *Surface) batchHosts(v *visit) (outcome, error) {
	at := slices.IndexFunc(hostsActs, func(a hostsAct) bool { return a.name == v.post("action") })
	if at < 0 {
		return nil, errs.Field("action", "there is no such act")
	}
	act := hostsActs[at]
	ids, err := chosenIDs(v.posted()["id"])
	if err != nil {
		return nil, err
	}
	back := listAddress(v.post("back"))
	if !v.posted().Has("back") {
		back = listAddress(cameFromList(v))
	}
	if act.name == "labels" {
		if page := askLabels(v, &act, ids, back); page != nil {
			return page, nil
		}
	}
	if act.verb != "" {
		page, err := s.askAbout(v, &act, ids, back)
		if page != nil || err != nil {
			return page, err
		}
	}
	return s.doToHosts(v, &act, ids, back)
}

// chosenIDs reads the ids of hosts that were ticked, none of them twice.
func chosenIDs(texts []string) (ids []int64, err error) {
	if len(texts) == 0 {
		return nil, errs.Field("id", "no host is chosen: tick those that are meant, then say what to do")
	}
	if len(texts) > maxChosen {
		return nil, errs.Field("id", fmt.Sprintf("at most %d hosts at once", maxChosen))
	}
	for _, text := range texts {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil || id < 1 {
			return nil, errs.Field("id", "id must be that of a host")
		}
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// fields are what a question brings back: the same act on the same hosts.
func (a *hostsAct) fields(ids []int64, back string) []templates.Field {
	all := []templates.Field{{Name: "action", Value: a.name}, {Name: "back", Value: strings.TrimPrefix(strings.TrimPrefix(back, pathHosts), "?")}}
	for _, id := range ids {
		all = append(all, templates.Field{Name: "id", Value: strconv.FormatInt(id, 10)})
	}
	return all
}

// askAbout is the question before an act, with what follows in numbers; nil: it was answered.
func (s *Surface) askAbout(v *visit, act *hostsAct, ids []int64, back string) (outcome, error) {
	sure := v.post("sure") == "yes"
	if sure && !act.typed {
		return nil, nil
	}
	hosts, err := s.cfg.Fleet.ByIDs(v.Context(), ids)
	if err != nil {
		return nil, err
	}
	if len(hosts) == 0 {
		return nil, fleet.ErrHostNotFound
	}
	beside, err := s.cfg.Fleet.Beside(v.Context(), hosts)
	if err != nil {
		return nil, err
	}
	about := chosenSums(hosts, beside, v.now)
	if sure {
		return nil, v.confirmed(about.word())
	}
	q := act.question(about, act.fields(ids, back), back)
	return page{Title: q.Title, Path: pathHosts, Crumbs: hostsCrumb(back), Body: templates.Body(templates.Head("Hosts", ""), templates.ConfirmPage(q))}, nil
}

func hostsCrumb(back string) []templates.Crumb {
	return []templates.Crumb{{Label: "Hosts", Path: back}}
}

// askLabels asks which labels hosts are to have; nil: that was answered, and is what act does then.
func askLabels(v *visit, act *hostsAct, ids []int64, back string) outcome {
	shown := templates.HostsLabels{
		Post: pathHostsBatch, Fields: act.fields(ids, back), Back: back, Title: "Label " + templates.Count(int64(len(ids)), "host", "hosts"), Text: v.posted().Get("labels"),
	}
	ask := page{Title: shown.Title, Path: pathHosts, Crumbs: hostsCrumb(back)}
	if v.posted().Has("labels") {
		labels, err := parseLabels(shown.Text)
		if err == nil {
			act.change.Labels = labels
			return nil
		}
		shown.Wrong, ask.Status = sentence(fieldTexts(errs.Of(err))), http.StatusUnprocessableEntity
	}
	ask.Body = templates.HostsLabelsPage(shown)
	return ask
}

// parseLabels reads labels, one on each line: key=value, or key= for without it. Errors: kind Invalid on field labels.
func parseLabels(text string) (map[string]string, error) {
	labels := map[string]string{}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		key, value, err := fleet.ParseLabel(line)
		if err != nil {
			return nil, err
		}
		labels[key] = value
	}
	if len(labels) == 0 {
		return nil, errs.Field("labels", "labels wants at least one line of key=value")
	}
	return labels, fleet.CheckLabels(labels)
}

// doToHosts acts. A fault of ours ends it, unless something has been done by then: that is said.
func (s *Surface) doToHosts(v *visit, act *hostsAct, ids []int64, back string) (outcome, error) {
	var did int64
	left := map[string]int64{} // :: why → how many
	for _, id := range ids {
		err := s.doToHost(v, act, id)
		refusal := errs.Of(err)
		switch {
		case err == nil:
			did++
		case refusal.Kind == errs.Internal && did == 0:
			return nil, err
		case refusal.Kind == errs.Internal:
			s.cfg.Logger.ErrorContext(v.Context(), "a host of a batch failed", "request_id", v.ID, "host_id", id, "error", err)
			left["failed: the gateway's log says why, under request "+v.ID]++
		case refusal.Code == fleet.ErrHostNotFound.Code:
			left["gone by now"]++
		default:
			left[fieldTexts(refusal)]++
		}
	}
	say := done{To: back, Say: fmt.Sprintf(act.done, templates.Count(did, "host", "hosts"))}
	if did == 0 {
		say.Say = "Nothing was done"
	}
	for _, why := range slices.Sorted(maps.Keys(left)) {
		say.More += templates.Count(left[why], "host", "hosts") + " left out, " + why + ". "
	}
	return say, nil
}

func (s *Surface) doToHost(v *visit, act *hostsAct, id int64) error {
	if act.do != nil {
		return act.do(s, v.Context(), id, v.Actor)
	}
	_, err := s.cfg.Fleet.Update(v.Context(), id, act.change, v.Actor)
	return err
}
