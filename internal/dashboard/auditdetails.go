package dashboard

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/cdxgate/cdxgate/templates"
)

// details are what an entry says, sorted by name: what it changed, and the rest.
type details struct {
	changes []templates.AuditChange
	facts   []templates.Field
}

// Bounds of what is shown of details; the JSON beside them has all.
const (
	maxSummaryFacts = 6
	maxSummaryRunes = 220
	maxValueRunes   = 2000
)

// readDetails tells what was before from what is now. Entries say it in three ways: an object "before" with the names of
// what changed, whose new values stand beside it or in an object "after"; a single "before", whose new value is "value" or "after";
// or nothing of it.
func readDetails(text string) details {
	var all map[string]any
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if decoder.Decode(&all) != nil {
		return details{}
	}
	var d details
	before, changed := all["before"]
	if changed {
		delete(all, "before")
		d.addChanges(all, before)
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		d.facts = append(d.facts, templates.Field{Name: name, Value: shortened(valueText(all[name]), maxValueRunes)})
	}
	return d
}

// addChanges takes out of all what has changed.
func (d *details) addChanges(all map[string]any, before any) {
	was, many := before.(map[string]any)
	if !many {
		name := "value"
		now, has := all["value"]
		if !has {
			now = all["after"]
		}
		delete(all, "value")
		delete(all, "after")
		for _, other := range []string{"name", "fqdn"} { // what has the value: a policy has a name, a host that was renamed is one
			if text := valueText(all[other]); text != "" {
				if other == "name" {
					name = text
				} else {
					name = other
				}
				delete(all, other)
				break
			}
		}
		d.addChange(name, before, now)
		return
	}
	after, beside := all["after"].(map[string]any)
	if beside {
		delete(all, "after")
	} else {
		after = all
	}
	for _, name := range slices.Sorted(maps.Keys(was)) {
		d.addChange(name, was[name], after[name])
		delete(after, name)
	}
	if beside {
		for _, name := range slices.Sorted(maps.Keys(after)) {
			d.addChange(name, nil, after[name])
		}
	}
}

// addChange adds what has changed; what was set to what it was already is a fact.
func (d *details) addChange(name string, before, now any) {
	was, is := shortened(valueText(before), maxValueRunes), shortened(valueText(now), maxValueRunes)
	if was == is {
		d.facts = append(d.facts, templates.Field{Name: name, Value: is})
		return
	}
	d.changes = append(d.changes, templates.AuditChange{Name: name, Before: was, After: is})
}

// valueText is a value as people read it.
func valueText(value any) string {
	switch value := value.(type) {
	case nil:
		return ""
	case string:
		return value
	case json.Number:
		return value.String()
	case bool:
		if value {
			return "yes"
		}
		return "no"
	case []any:
		texts := make([]string, 0, len(value))
		for _, item := range value {
			texts = append(texts, valueText(item))
		}
		return strings.Join(texts, ", ")
	}
	text, err := json.Marshal(value)
	if err != nil {
		return ""
	}
	return string(text)
}

// summary is the beginning of all that in a line.
func (d *details) summary() string {
	var texts []string
	for _, change := range d.changes {
		texts = append(texts, change.Name+": "+summed(change.Before)+" → "+summed(change.After))
	}
	for _, fact := range d.facts {
		texts = append(texts, fact.Name+": "+summed(fact.Value))
	}
	rest := ""
	if len(texts) > maxSummaryFacts {
		texts, rest = texts[:maxSummaryFacts], " …"
	}
	return shortened(strings.Join(texts, ", ")+rest, maxSummaryRunes)
}

// digest is what nobody reads to its end.
var digest = regexp.MustCompile(`^[0-9a-f]{32,}$`)

// summed is a value in a line of several.
func summed(value string) string {
	switch {
	case value == "":
		return "none"
	case digest.MatchString(value):
		return value[:8] + "…"
	}
	return value
}

// shortened is the beginning of a text that is longer than so many characters.
func shortened(text string, runes int) string {
	if len(text) <= runes || utf8.RuneCountInString(text) <= runes {
		return text
	}
	return string([]rune(text)[:runes]) + " …"
}
