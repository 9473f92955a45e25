package templates

import "time"

// Shell is what surrounds a page: who looks, where, and how things stand.
type Shell struct {
	Title   string
	Path    string  // of the page, as the menu has it: the entry is marked
	Crumbs  []Crumb // between the site and the page
	Site    string  // the gateway's name, as browsers reach it
	Version string
	Theme   Theme
	Me      Me // the zero value: nobody was identified, and there is no menu
	Menu    []MenuGroup
	Switch  Switch
	Toasts  []Toast
	Now     time.Time
}

// Crumb is a step on the way to a page.
type Crumb struct{ Label, Path string }

// Theme is how bright pages are.
type Theme string

// The themes. The zero value, and every other word, is what the system has.
const (
	System Theme = ""
	Light  Theme = "light"
	Dark   Theme = "dark"
)

// Me is who looks at the page.
type Me struct {
	Name    string
	Role    string
	How     string // certificate verified; session until 18:00
	Session bool   // there is something to log out of
}

// MenuGroup is a part of the menu.
type MenuGroup struct {
	Label   string
	Entries []MenuEntry
}

// MenuEntry is a page in the menu.
type MenuEntry struct {
	Label, Path, Icon string
	Short             string // the label where there is little room
	Key               string // with g before it goes there; "": no key does
	Note              string // a number beside it
	Why               string // why the role may not see it; "": it may
}

// Switch is the kill switch.
type Switch struct {
	Known bool // false: its state could not be read
	Off   bool // hosts are refused
	Why   string
}

// Tone is how good something is: it chooses colour and, for chips, the icon's shape.
type Tone string

// The tones. The zero value says nothing.
const (
	Plain Tone = ""
	OK    Tone = "ok"
	Warn  Tone = "warn" // will happen
	Bad   Tone = "bad"  // has happened, or is refused
	Info  Tone = "info"
)

// Toast says what has become of an act.
type Toast struct {
	Tone Tone // OK, Bad or Info
	Text string
	More string // a smaller line
}

// tones have an icon each.
var toneIcons = map[Tone]string{Plain: "info", OK: "ok", Warn: "warn", Bad: "bad", Info: "info"}

// class is a class with the tone's variant of it: "chip", OK → "chip chip-ok".
func class(base string, tone Tone) string {
	if tone == Plain {
		return base
	}
	return base + " " + base + "-" + string(tone)
}

func textClass(tone Tone) string {
	if tone == Plain {
		return "faint"
	}
	return "t-" + string(tone)
}

// firstEntries are those of the menu that fit below a phone's page beside More.
func firstEntries(menu []MenuGroup) []MenuEntry {
	var first []MenuEntry
	for _, group := range menu {
		for _, entry := range group.Entries {
			if entry.Why == "" && len(first) < 4 {
				first = append(first, entry)
			}
		}
	}
	return first
}
