package share

// State is everything that decides about one file.
type State struct {
	Name  string
	Entry Entry // what is remembered
	Fleet Fleet // what the gateway has
	Local File  // what is on disk
	Copy  File  // the fleet's text beside it on disk

	MayPush    bool
	Shared     bool // the user wants it shared although the gateway does not have it
	OfferAgain bool
}

// Fleet is the gateway's side of a file. The zero value: it does not list the file, which says nothing about copies of it.
type Fleet struct {
	SHA256  string // of the current text, "" if there is none
	Retired bool
}

// File is a file on disk. The zero value: it is not there.
type File struct {
	SHA256 string
	Odd    string // why the file is neither read nor touched; completes a sentence that begins with its name
}

func (f File) missing() bool { return f == File{} }

// Kind is what has to be done about a file.
type Kind string

// The kinds of action. All but the first are counted in a Result.
const (
	Nothing  Kind = ""         // there is nothing of it here that the gateway knows of
	Current  Kind = "current"  // in step
	Write    Kind = "write"    // the fleet's text replaces the one on disk
	Remove   Kind = "remove"   // the file on disk goes, as the fleet's did
	Push     Kind = "push"     // the text on disk is offered to the gateway
	Conflict Kind = "conflict" // both changed: the fleet's text goes beside the one on disk
	Keep     Kind = "keep"     // the text on disk stays, though the gateway's is another
	Refuse   Kind = "refuse"   // the fleet's text cannot be put where it belongs
)

// Action is what to do about one file, and what to remember once it is done.
type Action struct {
	State State
	Kind  Kind
	After Entry  // remembered when it has been done
	Fetch bool   // Write, Conflict: the fleet's text has to be fetched
	Base  string // Push: the text on the gateway that the one on disk was made from
	Line  string // for the user; "": nothing worth a line
}

// Merge decides about one file. Action.State.Entry is what has to be remembered if the action fails.
//
// With a fleet's text that is not retired (base, fleet, local: digests):
//
//	local = fleet                          current
//	local missing, fleet = base            keep: the user removed it; it comes back when the fleet changes it
//	local missing, fleet ≠ base            write
//	local = base, fleet ≠ base             write
//	local ≠ base, fleet = base             push if that is allowed, else keep
//	local ≠ base, fleet ≠ base, or no base conflict
func Merge(s State) Action {
	s.Entry = s.recovered()
	a := Action{State: s, After: s.Entry}
	switch {
	case s.Local.Odd != "":
		a.leaveOdd()
	case s.Fleet.Retired:
		a.retire()
	case s.Fleet.SHA256 == "":
		if s.Shared && !s.Local.missing() {
			a.offer("")
		}
	case s.Local.SHA256 == s.Fleet.SHA256:
		a.Kind, a.After = Current, Entry{Synced: s.Fleet.SHA256}
	case s.Local.missing() && s.Entry.Synced == s.Fleet.SHA256:
		a.Kind, a.After = Keep, Entry{Synced: s.Entry.Synced}
	case s.Local.SHA256 == s.Entry.Synced: // both "": it is new
		a.Kind, a.Fetch, a.After = Write, true, Entry{Synced: s.Fleet.SHA256}
	case s.Local.missing():
		a.Kind, a.Fetch, a.After = Write, true, Entry{Synced: s.Fleet.SHA256}
	case s.Entry.Synced == s.Fleet.SHA256:
		a.offer(s.Entry.Synced)
	default:
		a.conflict()
	}
	return a
}

// recovered is what is remembered, corrected by what happened since: a run that died before it could write down what it
// had done, and a user who removed the copy.
func (s *State) recovered() Entry {
	e := s.Entry
	if e.Writing != "" && s.Local.SHA256 == e.Writing {
		e.Synced = e.Writing
	}
	if e.Writing != "" && s.Copy.SHA256 == e.Writing {
		e.Beside = e.Writing
	}
	if e.Beside != "" && s.Copy.missing() {
		// The user has seen the fleet's text and stays with the own one, which is now a change of the fleet's.
		e.Synced, e.Beside = e.Beside, ""
	}
	return e
}

// leaveOdd is about a file that is none of ours to read or write.
func (a *Action) leaveOdd() {
	s := &a.State
	switch {
	case s.Fleet.Retired && s.Entry.Synced != "":
		a.Kind, a.After, a.Line = Keep, Entry{}, "is retired from the fleet; here it stays, as it "+s.Local.Odd
	case s.Fleet.SHA256 != "" && s.Fleet.SHA256 != s.Entry.Synced:
		a.Kind, a.Line = Refuse, s.Local.Odd+", so the fleet's text was not written"
	case s.Entry != Entry{} || s.Shared:
		a.Kind = Keep
	}
}

// retire takes away what the fleet does not have any more, unless the user changed it.
func (a *Action) retire() {
	s := &a.State
	a.After = Entry{}
	switch {
	case s.Local.missing():
	case s.Entry.Synced == "" && s.Entry.Beside == "":
		if s.Shared {
			// Not pushed: an admin took the name away, and this would bring it back.
			a.Kind, a.Line = Keep, "is retired from the fleet, so yours is not shared; give it another name"
		}
	case s.Local.SHA256 == s.Entry.Synced:
		a.Kind = Remove
	default:
		a.Kind, a.Line = Keep, "is retired from the fleet; yours differs, so it stays, on this machine only"
	}
}

// offer is about a text that only this machine has, made from the one with the digest base.
func (a *Action) offer(base string) {
	s := &a.State
	a.After = Entry{Synced: s.Entry.Synced, Offered: s.Entry.Offered}
	if !s.MayPush || (s.Entry.Offered == s.Local.SHA256 && !s.OfferAgain) {
		a.Kind = Keep
		return
	}
	a.Kind, a.Base = Push, base
}

// conflict puts the fleet's text beside the user's, where the user can compare them.
func (a *Action) conflict() {
	s := &a.State
	a.Kind = Conflict
	copyName := s.Name + besideSuffix
	what := "was changed here and in the fleet"
	if s.Entry.Synced == "" {
		what = "is another file here than in the fleet"
	}
	ours := s.Copy.missing() || (s.Copy.SHA256 != "" && (s.Copy.SHA256 == s.Entry.Beside || s.Copy.SHA256 == s.Fleet.SHA256))
	if !ours {
		a.Line = what + "; yours stays, and as " + copyName + " is yours too, the fleet's was not saved: move that away"
		return
	}
	a.Fetch = s.Copy.SHA256 != s.Fleet.SHA256
	a.After = Entry{Synced: s.Entry.Synced, Beside: s.Fleet.SHA256}
	a.Line = what + "; yours stays, the fleet's is " + copyName + ": compare, then delete that one"
}

// clearsCopy reports whether the copy has served its purpose. One that the user edited is the user's.
func (a *Action) clearsCopy() bool {
	e := a.State.Entry
	return e.Beside != "" && a.After.Beside == "" && a.State.Copy.SHA256 == e.Beside
}
