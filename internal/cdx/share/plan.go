package share

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// maxItems bounds the gateway's list. It is more than fits into an answer that cdx reads.
const maxItems = 5000

// Plan is what it would take to bring a Set in step. It holds for the disk and the list that it was made from.
type Plan struct {
	Actions []Action // by name; files about which there is nothing to do or to tell have kind Nothing or Current
	Lines   []string // about the list itself: names that were refused

	folder   *folder
	baseline Baseline // as read
}

// Count returns how many files a kind of action would be about.
func (p *Plan) Count(kind Kind) int {
	count := 0
	for i := range p.Actions {
		if p.Actions[i].Kind == kind {
			count++
		}
	}
	return count
}

// Plan compares the gateway's list with the disk and what is remembered. It changes nothing.
//
// Errors: the place cannot be read, or the list is longer than any fleet's.
func (s *Set) Plan(list []Item) (*Plan, error) {
	if len(list) > maxItems {
		return nil, fmt.Errorf("the gateway lists %d files, more than the %d that cdx takes", len(list), maxItems)
	}
	folder, err := s.Place.open()
	if err != nil {
		return nil, err
	}
	p := &Plan{folder: folder}
	if p.baseline, err = readBaseline(s.Baseline); err != nil {
		p.Lines = append(p.Lines, "what was in step is not known ("+err.Error()+"), so files that differ from the fleet's are kept")
	}
	fleet, refused := p.sift(list)
	names := map[string]bool{}
	for name := range fleet {
		names[name] = true
	}
	for name := range p.baseline {
		names[name] = true
	}
	for _, name := range s.Shared {
		if CheckName(name) == nil {
			names[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if refused[strings.ToLower(name)] || !folder.accepts(name) {
			continue
		}
		local, beside := folder.look(name)
		p.Actions = append(p.Actions, Merge(State{
			Name: name, Entry: p.baseline[name], Fleet: fleet[name], Local: local, Copy: beside,
			MayPush: s.MayPush != nil && s.MayPush(name), Shared: slices.Contains(s.Shared, name), OfferAgain: s.OfferAgain,
		}))
	}
	return p, nil
}

// sift takes from the gateway's list what can be on disk. Of names that would be one file on some systems, retired
// ones left aside, none is taken: which one is meant cannot be known. refused holds those, in lower case.
func (p *Plan) sift(list []Item) (fleet map[string]Fleet, refused map[string]bool) {
	fleet, refused = map[string]Fleet{}, map[string]bool{}
	live := map[string]int{} // name in lower case → how many texts it has
	for _, item := range list {
		err := CheckName(item.Name)
		if err == nil && !item.Retired && !isDigest(item.SHA256) {
			err = errors.New("has no digest")
		}
		switch folded := strings.ToLower(item.Name); {
		case err != nil && item.Retired: // as good as refused
		case err != nil:
			p.refuse(item.Name, err.Error())
		case !p.folder.accepts(item.Name):
			p.refuse(item.Name, "has no place here")
		case item.Retired:
			if fleet[item.Name].SHA256 == "" {
				fleet[item.Name] = Fleet{Retired: true}
			}
		default:
			live[folded]++
			fleet[item.Name] = Fleet{SHA256: item.SHA256}
			if live[folded] == 2 {
				refused[folded] = true
				p.refuse(item.Name, "is there more than once, or differs only in case from another")
			}
		}
	}
	return fleet, refused
}

// maxShownName is how much of a refused name is shown.
const maxShownName = 40

func (p *Plan) refuse(name, why string) {
	if len(name) > maxShownName {
		name = name[:maxShownName] + "…"
	}
	p.Lines = append(p.Lines, fmt.Sprintf("%q of the fleet's list was refused: it %s", name, why))
}
