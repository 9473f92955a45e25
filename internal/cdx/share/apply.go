package share

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"time"

	"github.com/cdxgate/cdxgate/internal/cdx/files"
)

// maxLines bounds what one run says.
const maxLines = 20

// Result is what a plan came to. The counts are of files.
type Result struct {
	Current   int // in step before and after
	Written   int // the fleet's text was put on disk
	Removed   int // retired by the fleet, removed from disk
	Pushed    int // this machine's text is the fleet's now
	Proposed  int // this machine's text waits for an admin
	Conflicts int // changed on both sides, until the user decides
	Kept      int // this machine's text, or its absence, stays, though the fleet's is another
	Failed    int // not done; the next run tries again
	// Lines are for the user, each one sentence. They hold names and errors from outside: control characters have to
	// be taken out before they reach a terminal.
	Lines []string
}

var errChanged = errors.New("it changed meanwhile, so it is left for the next run")

// Apply does what a plan says, in the order of names, until ctx ends. What fails is a line of the result, and the rest
// goes on. No other Plan or Apply of the same Set may run.
func (s *Set) Apply(ctx context.Context, p *Plan) *Result {
	r := &Result{}
	for _, line := range p.Lines {
		r.say(line)
	}
	defer r.closeLines()
	written := p.baseline
	next := maps.Clone(p.baseline)
	for i := range p.Actions {
		a := &p.Actions[i]
		if a.Fetch {
			a.State.Entry.Writing = a.State.Fleet.SHA256
		}
		next.set(a.State.Name, a.State.Entry)
	}
	// Before anything is put on disk: else a run that dies would leave texts which look like the user's.
	if p.fetches() {
		if err := next.save(s.Baseline, written); err != nil {
			r.Failed = p.Count(Write) + p.Count(Remove) + p.Count(Push) + p.Count(Conflict) + p.Count(Refuse)
			r.say("nothing was done, because it could not be written down: " + err.Error())
			return r
		}
		written = maps.Clone(next)
	}
	ctx, cancel := context.WithCancel(ctx)
	replies, wait := s.exchange(ctx, p)
	defer func() {
		cancel()
		wait() // so that nothing goes on when the caller lets go of its lock
	}()
	for i := range p.Actions {
		a := &p.Actions[i]
		var got reply
		if replies[i] != nil {
			select {
			case got = <-replies[i]:
			case <-ctx.Done():
				got.err = ctx.Err()
			}
		}
		if err := s.do(p.folder, a, got); err != nil {
			r.Failed++
			r.say(a.State.Name + " was left as it is: " + err.Error())
			continue
		}
		next.set(a.State.Name, a.After)
		r.count(a, got.answer)
	}
	if err := next.save(s.Baseline, written); err != nil {
		r.say("what is in step now could not be written down: " + err.Error())
	}
	return r
}

func (p *Plan) fetches() bool {
	for i := range p.Actions {
		if p.Actions[i].Fetch {
			return true
		}
	}
	return false
}

// do carries one action out on disk. On an error a.After does not hold.
func (s *Set) do(f *folder, a *Action, got reply) error {
	if got.err != nil {
		return got.err
	}
	path := f.path(a.State.Name)
	var err error
	switch a.Kind {
	case Write:
		err = f.write(path, got.text, a.State.Local)
	case Conflict:
		if a.Fetch {
			err = f.write(path+besideSuffix, got.text, a.State.Copy)
		}
	case Remove:
		if err = f.remove(path, a.State.Local); err == nil && f.Inside != "" {
			_ = os.Remove(filepath.Dir(path)) // as long as the user keeps something in it, it stays
		}
	case Push:
		files.Reach("pushed " + a.State.Name)
		switch got.answer {
		case Stored:
			a.After = Entry{Synced: a.State.Local.SHA256}
		case Proposed, Declined:
			a.After.Offered = a.State.Local.SHA256
		default:
			return fmt.Errorf("the gateway answered %q", got.answer)
		}
	}
	if err == nil && a.clearsCopy() {
		err = f.remove(path+besideSuffix, a.State.Copy)
	}
	return err
}

// write puts a text where was is.
func (f *folder) write(path string, text []byte, was File) error {
	files.RemoveStale(path, time.Now())
	return files.WriteIf(path, text, func() error { return f.still(path, was) })
}

// remove removes a file that is still what it was.
func (f *folder) remove(path string, was File) error {
	if err := f.still(path, was); err != nil {
		return err
	}
	return files.Remove(path)
}

func (f *folder) still(path string, was File) error {
	if _, now := f.read(path); now != was {
		return errChanged
	}
	return nil
}

func (r *Result) count(a *Action, answer Answer) {
	switch a.Kind {
	case Current:
		r.Current++
	case Write:
		r.Written++
	case Remove:
		r.Removed++
	case Conflict:
		r.Conflicts++
	case Keep:
		r.Kept++
	case Refuse:
		r.Failed++
	case Push:
		switch answer {
		case Stored:
			r.Pushed++
		case Proposed:
			r.Proposed++
			a.Line = "is proposed to the fleet; an admin decides"
		case Declined:
			r.Kept++
			a.Line = "was changed here, but hosts may not change the fleet's files; it stays on this machine"
		}
	}
	if a.Line != "" {
		r.say(a.State.Name + " " + a.Line)
	}
}

func (r *Result) say(line string) { r.Lines = append(r.Lines, line) }

// closeLines cuts the lines to what a user reads.
func (r *Result) closeLines() {
	if more := len(r.Lines) - maxLines; more > 0 {
		r.Lines = append(r.Lines[:maxLines], fmt.Sprintf("there are %d more lines like these", more))
	}
}
