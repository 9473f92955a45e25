package usage

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/cdxgate/cdxgate/internal/cdx/files"
)

// ledger is what is on disk, moments in Unix milliseconds:
//
//	{"floor": …, "scanned": …, "threads": {"01a2…": {…}}, "sending": {…}, "waiting": {…}, "limits": {…}}
type ledger struct {
	// Floor is the moment until which everything is history in threads that are not listed: when cdx first met the home,
	// and later when the last thread that was forgotten was used last.
	Floor int64 `json:"floor"`
	// Scanned is when all files were last looked at. Those that changed long before are known or history.
	Scanned int64             `json:"scanned"`
	Threads map[string]thread `json:"threads,omitempty"`
	// Sending may be known to the gateway already, so it never changes. Nil: there is nothing to report.
	Sending *batch `json:"sending,omitempty"`
	// Waiting is what came since. Nil: nothing.
	Waiting *batch   `json:"waiting,omitempty"`
	Limits  snapshot `json:"limits,omitzero"`
}

// thread is what was counted of one.
type thread struct {
	From     int64             `json:"from"`     // until then everything is history
	Size     int64             `json:"size"`     // of the file that was read
	Modified int64             `json:"modified"` // of the same file, Unix nanoseconds
	Touched  int64             `json:"touched"`  // when it was used last
	Models   map[string]Tokens `json:"models,omitempty"`
}

// batch is what is reported at once.
type batch struct {
	Key     string  `json:"key"`
	Entries []entry `json:"entries"`
}

// share is the part of a batch that one thread and model have.
type share struct {
	thread  string
	from    int64  // since when the thread is counted, Unix milliseconds
	counted Tokens // since then, and before this
	entry
}

// Limits of the ledger. It is read before Codex starts.
const (
	maxLedgerBytes = 8 << 20
	maxEntries     = 200 // of a batch, which stays below 64 KiB then; the gateway takes 500
	keepThreads    = 256 // a thousand take milliseconds to read
	mostThreads    = 8 * keepThreads
	keepFor        = 90 * 24 * time.Hour
	keepAtLeast    = time.Hour        // so that no thread is forgotten that is still being used
	clockSlack     = 10 * time.Minute // between the clocks of this machine and of its disks
)

// Damaged says that the ledger could not be read, and where it is now.
type Damaged struct{ Aside string } //nolint:errname // usage.Damaged says it

// Error implements error.
func (d *Damaged) Error() string {
	return "the record of used tokens was damaged; it is " + d.Aside + " now, and what it had not reported is lost"
}

var errNoLedger = errors.New("the record of used tokens is damaged")

func newLedger(now time.Time) *ledger {
	return &ledger{Floor: now.UnixMilli(), Scanned: now.UnixMilli(), Threads: map[string]thread{}}
}

// peek reads the ledger as it is. Where there is none, or no good one, it is empty.
func (j *Journal) peek() (*ledger, error) {
	now := j.now()
	text, err := files.ReadBounded(j.path(), maxLedgerBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return newLedger(now), nil
	}
	if err != nil {
		return newLedger(now), fmt.Errorf("reading the record of used tokens: %w", err)
	}
	book := newLedger(now)
	if len(text) > maxLedgerBytes || json.Unmarshal(text, book) != nil || !book.sound() {
		return newLedger(now), errNoLedger
	}
	// The clock may have been wrong then; counting must not stand still until it gets there.
	book.Floor, book.Scanned = min(book.Floor, now.UnixMilli()), min(book.Scanned, now.UnixMilli())
	return book, nil
}

// load is peek that moves what is no ledger out of the way.
func (j *Journal) load() (*ledger, *Damaged, error) {
	book, err := j.peek()
	if !errors.Is(err, errNoLedger) {
		return book, nil, err
	}
	aside := j.path() + ".damaged"
	files.Reach("move the ledger aside")
	if err := os.Rename(j.path(), aside); err != nil {
		return book, nil, fmt.Errorf("moving the damaged record of used tokens aside: %w", err)
	}
	return book, &Damaged{aside}, j.save(book)
}

func (j *Journal) save(book *ledger) error {
	text, err := json.Marshal(book)
	if err != nil {
		return fmt.Errorf("encoding the record of used tokens: %w", err)
	}
	return files.Write(j.path(), append(text, '\n'))
}

func (l *ledger) sound() bool {
	if l.Floor <= 0 || l.Threads == nil || !l.Limits.sound() || l.Sending == nil && l.Waiting != nil {
		return false
	}
	for _, t := range l.Threads {
		for model, tokens := range t.Models {
			if !soundModel(model) || !tokens.sound() {
				return false
			}
		}
	}
	return l.Sending.sound() && l.Waiting.sound()
}

func (b *batch) sound() bool {
	if b == nil {
		return true
	}
	key, err := hex.DecodeString(b.Key)
	return err == nil && len(key) == sha256.Size && len(b.Entries) > 0 && len(b.Entries) <= maxEntries &&
		!slices.ContainsFunc(b.Entries, func(e entry) bool { return !soundModel(e.Model) || !e.sound() })
}

// fingerprint changes with everything that is worth a write.
func (l *ledger) fingerprint() [sha256.Size]byte {
	changes := *l
	changes.Scanned = 0
	text, err := json.Marshal(changes)
	if err != nil {
		panic(fmt.Sprintf("encoding the record of used tokens: %v", err)) // numbers, names and JSON always encode
	}
	return sha256.Sum256(text)
}

// changed reports whether something may have happened in a file since it was read.
func (l *ledger) changed(id string, f facts) bool {
	if t, known := l.Threads[id]; known {
		return t.Size != f.size || t.Modified != f.modified.UnixNano()
	}
	return f.modified.After(time.UnixMilli(l.Scanned).Add(-clockSlack))
}

// from is the moment until which everything in a thread is history.
func (l *ledger) from(id string) time.Time {
	if t, known := l.Threads[id]; known {
		return time.UnixMilli(t.From)
	}
	return time.UnixMilli(l.Floor)
}

// count takes down what was read of a thread, and returns what is new. A file can say less than was counted when it was
// cut off, or is an older copy: then nothing is new until it has caught up.
func (l *ledger) count(id string, f facts, r reading) []share {
	t, known := l.Threads[id]
	if !known {
		t.From = l.Floor
	}
	t.Size, t.Modified = f.size, f.modified.UnixNano()
	t.Touched = max(t.Touched, f.modified.UnixMilli()+1, r.newest.UnixMilli()+1) // rounded up
	models := maps.Clone(t.Models)
	if models == nil {
		models = map[string]Tokens{}
	}
	var fresh []share
	for _, model := range slices.Sorted(maps.Keys(r.models)) {
		before := models[model]
		more := r.models[model].beyond(before)
		if more == (Tokens{}) {
			continue
		}
		models[model] = before.plus(more)
		fresh = append(fresh, share{id, t.From, before, entry{model, more}})
	}
	t.Models = models
	l.Threads[id] = t
	return fresh
}

// report puts what is new where it waits to be sent.
func (l *ledger) report(fresh []share) {
	if len(fresh) == 0 {
		return
	}
	place := &l.Sending
	if l.Sending != nil {
		place = &l.Waiting
	}
	if *place == nil {
		*place = &batch{}
	}
	(*place).add(fresh)
}

// add adds shares. The key says what is in the batch and how each thread stood, so that the same is never recorded
// twice, not even by a home that was restored from a copy.
func (b *batch) add(fresh []share) {
	sum := sha256.New()
	fmt.Fprintf(sum, "cdx usage %s\n", b.Key)
	for _, s := range fresh {
		fmt.Fprintf(sum, "%s %d %q %v %v\n", s.thread, s.from, s.Model, s.counted, s.Tokens)
		b.Entries = append(b.Entries, s.entry)
	}
	b.Key = hex.EncodeToString(sum.Sum(nil))
	if len(b.Entries) > maxEntries {
		b.fold()
	}
}

// fold adds the entries of each model up: after a long time without the gateway it is not known any more which sessions
// used the tokens, but how many they were.
func (b *batch) fold() {
	sums := map[string]Tokens{}
	for _, e := range b.Entries {
		model := e.Model
		if _, known := sums[model]; !known && len(sums) >= maxEntries/2 {
			model = ""
		}
		sums[model] = sums[model].plus(e.Tokens)
	}
	b.Entries = b.Entries[:0]
	for _, model := range slices.Sorted(maps.Keys(sums)) {
		b.Entries = append(b.Entries, entry{model, sums[model]})
	}
}

func (b *batch) entries() []entry {
	if b == nil {
		return nil
	}
	return b.Entries
}

// forget drops the threads that were not used for long. Should one be used again, only what it does then is new: the
// floor rises to the last moment that is not remembered.
func (l *ledger) forget(now time.Time) {
	ids := slices.SortedFunc(maps.Keys(l.Threads), func(a, b string) int {
		return cmp.Compare(l.Threads[b].Touched, l.Threads[a].Touched)
	})
	for i, id := range ids {
		touched := l.Threads[id].Touched
		idle := now.Sub(time.UnixMilli(touched))
		if i < mostThreads && idle < keepAtLeast || i < keepThreads && idle < keepFor {
			continue
		}
		l.Floor = max(l.Floor, min(touched, now.UnixMilli()))
		delete(l.Threads, id)
	}
}
