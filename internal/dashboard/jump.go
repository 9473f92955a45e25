package dashboard

import (
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/templates"
)

// maxJumps bounds the hosts that a search lists.
const maxJumps = 8

// jump serves the palette, and without script a page: pages by their titles, hosts by a part of their names.
func (s *Surface) jump(v *visit) (page, error) {
	query := v.query("q")
	var hosts []db.Host
	if query != "" && s.has("/dashboard/hosts/{}") {
		found, err := s.cfg.Fleet.List(v.Context(), fleet.Query{Search: query, Limit: maxJumps})
		if err != nil {
			return page{}, err
		}
		hosts = found.Hosts
	}
	shown := jumpPage(query, s.menu(v), hosts)
	return page{
		Title: "Search", Body: templates.Jump(shown),
		Parts: map[string]templ.Component{"pal-q-l": templates.JumpResults(shown)},
	}, nil
}

func jumpPage(query string, menu []templates.MenuGroup, hosts []db.Host) templates.JumpPage {
	shown := templates.JumpPage{Query: query}
	for _, group := range menu {
		for _, entry := range group.Entries {
			if item, found := jumpItem(query, entry.Label); found && entry.Why == "" {
				item.Icon, item.Path, item.Key = entry.Icon, entry.Path, entry.Key
				shown.Found = append(shown.Found, item)
			}
		}
	}
	if item, found := jumpItem(query, "Kill switch"); found {
		item.Icon, item.Path = "power", pathSwitch
		shown.Found = append(shown.Found, item)
	}
	for i := range hosts {
		item, found := jumpItem(query, hosts[i].FQDN)
		if !found { // its note or its address matched
			item = templates.JumpItem{Before: hosts[i].FQDN}
		}
		item.Icon, item.Path = "host", "/dashboard/hosts/"+strconv.FormatInt(hosts[i].ID, 10)
		shown.Found = append(shown.Found, item)
	}
	return shown
}

// jumpItem marks where a label, which is ASCII, has the query.
func jumpItem(query, label string) (item templates.JumpItem, found bool) {
	query = strings.ToLower(query)
	at := strings.Index(strings.ToLower(label), query)
	if at < 0 {
		return item, false
	}
	end := at + len(query)
	return templates.JumpItem{Before: label[:at], Match: label[at:end], After: label[end:]}, true
}
