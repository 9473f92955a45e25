package dashboard

import (
	"cmp"
	"net/http"
	"strings"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/templates"
)

// menu are the pages in the order of the menu. An entry is shown once its page is there; a role that may not see the page is
// told why. short is what a phone has room for; "": the label.
var menu = []struct{ group, label, short, path, icon, key string }{
	{"Fleet", "Overview", "", home, "overview", "o"},
	{"Fleet", "Hosts", "", "/dashboard/hosts", "host", "h"},
	{"Fleet", "Credentials", "", "/dashboard/credentials", "key", "c"},
	{"Use", "Usage and cost", "Usage", "/dashboard/usage", "usage", "u"},
	{"Use", "Slash commands", "", "/dashboard/library", "command", "l"},
	{"Trust", "Audit", "", "/dashboard/audit", "audit", "a"},
	{"Trust", "Access", "", "/dashboard/access", "verified", "x"},
	{"Trust", "Settings", "", "/dashboard/settings", "settings", "s"},
}

// pathOf is a page's route, of the address that links to it.
func pathOf(address string) string { return strings.TrimSuffix(address, "/") }

// has reports whether there is a page at an address: links to pages that another change is to bring are not shown.
func (s *Surface) has(address string) bool {
	_, there := s.needs[http.MethodGet+" "+pathOf(address)]
	return there
}

// shell is what surrounds a page of this visit. What cannot be read is left unknown: it must not keep a page from being shown,
// least of all the one that says what is wrong.
func (s *Surface) shell(v *visit) templates.Shell {
	shell := templates.Shell{
		Site: v.Host, Version: s.cfg.Version, Theme: themeOf(v.Request.Request), Now: v.now, Menu: s.menu(v), Me: me(v),
		Switch: templates.Switch{Why: v.unless(access.PolicyWrite)},
	}
	if decided, err := s.cfg.Policy.Load(v.Context()); err == nil {
		shell.Switch.Known, shell.Switch.Off = true, decided.APIDisabled
	}
	return shell
}

func (s *Surface) menu(v *visit) (groups []templates.MenuGroup) {
	for _, entry := range menu {
		if !s.has(entry.path) {
			continue
		}
		if n := len(groups); n == 0 || groups[n-1].Label != entry.group {
			groups = append(groups, templates.MenuGroup{Label: entry.group})
		}
		last := &groups[len(groups)-1]
		last.Entries = append(last.Entries, templates.MenuEntry{
			Label: entry.label, Short: cmp.Or(entry.short, entry.label), Path: entry.path, Icon: entry.icon, Key: entry.key, Why: v.unless(s.needs[http.MethodGet+" "+pathOf(entry.path)]),
		})
	}
	return groups
}

func me(v *visit) templates.Me {
	me := templates.Me{Name: v.Name, Role: string(v.Role), How: "certificate verified"}
	if v.By == access.Session {
		me.Session, me.How = true, "session until "+v.ExpiresAt.UTC().Format("15:04 UTC")
	}
	return me
}
