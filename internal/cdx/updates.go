package cdx

import (
	"encoding/json"
	"path/filepath"
	"time"

	"github.com/cdxgate/cdxgate/internal/cdx/files"
)

// tryAgainAfter is how long after a failure the background leaves a program alone.
const tryAgainAfter = time.Hour

// updates is what is remembered about bringing cdx and Codex up to date. The zero value: nothing was tried. Losing it costs
// one attempt more.
type updates struct {
	Highest string  `json:"highest,omitempty"` // the highest version of cdx that ever ran here, as far as one looked
	Client  attempt `json:"client,omitzero"`
	Codex   attempt `json:"codex,omitzero"`
}

// attempt is the last thing that was tried about one program.
type attempt struct {
	Wanted string    `json:"wanted"`           // which build, and on top of which
	Name   string    `json:"name"`             // the same for people: cdx 1.5.0
	At     time.Time `json:"at"`               // when it ended
	Failed string    `json:"failed,omitempty"` // why; "": nothing is left to do about it
}

// due reports whether something may be tried: something else, or the same again after a while. A clock that was turned
// back does not make it wait longer.
func (a attempt) due(wanted string, now time.Time) bool {
	if a.Wanted != wanted {
		return true
	}
	since := now.Sub(a.At)
	return a.Failed != "" && (since >= tryAgainAfter || since < 0)
}

// remark says what failed; "" when nothing did.
func (a attempt) remark() string {
	if a.Failed == "" {
		return ""
	}
	return a.Name + " was not installed: " + a.Failed
}

func (h home) updatesPath() string { return filepath.Join(h.dir, ".cdx", "updates.json") }

// updatesLock is held by the one background of the home.
func (h home) updatesLock() string { return filepath.Join(h.dir, ".cdx", "updates.lock") }

// maxUpdatesBytes is the largest file of attempts that is read.
const maxUpdatesBytes = 64 << 10

// loadUpdates reads what was tried; what cannot be read was not.
func (h home) loadUpdates() updates {
	text, err := files.ReadBounded(h.updatesPath(), maxUpdatesBytes)
	var u updates
	if err != nil || json.Unmarshal(text, &u) != nil {
		return updates{}
	}
	return u
}

// amendUpdates changes what is remembered; without it something is tried again too early, that is all.
func (h home) amendUpdates(change func(*updates)) {
	before := h.loadUpdates()
	u := before
	change(&u)
	if u == before {
		return
	}
	if text, err := json.Marshal(u); err == nil {
		_ = files.Write(h.updatesPath(), append(text, '\n'))
	}
}
