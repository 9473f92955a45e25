package lease

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cdxgate/cdxgate/internal/cdx/files"
)

// record is the content of a session's file: JSON, filled up with spaces to recordBytes, so that a later one is written
// over it in one piece and needs no room on the disk.
type record struct {
	Place   string    `json:"place"` // where the process numbers mean something; "": nowhere
	Cdx     process   `json:"cdx"`
	Codex   *process  `json:"codex,omitempty"` // nil: not started, or not written down
	Started time.Time `json:"started"`
	Ended   bool      `json:"ended,omitempty"`
}

const recordBytes = 1024

// save writes r over what is at path, which is opened with flags in addition. The file is not flushed: after a power
// cut the session is over anyway.
func (r record) save(path string, flags int) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|flags, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteAt(fmt.Appendf(nil, "%-*s\n", recordBytes-1, text), 0)
	return errors.Join(err, file.Close())
}

func load(path string) (record, error) {
	text, err := files.ReadBounded(path, recordBytes)
	if err != nil {
		return record{}, err
	}
	var r record
	if err := json.Unmarshal(text, &r); err != nil {
		return record{}, err
	}
	if r.Cdx.PID <= 0 || r.Codex != nil && r.Codex.PID <= 0 {
		return record{}, errors.New("no process numbers")
	}
	return r, nil
}

// runs reports whether a session whose file somebody has open is more than something that outlived it.
func (r record) runs() bool {
	switch {
	case r.Ended:
		return false
	case r.Place == "" || r.Place != place():
		return true
	case r.Codex == nil:
		return true // its cdx lives, or was killed before it wrote Codex down
	default:
		return r.Cdx.alive() || r.Codex.alive()
	}
}

func (r record) info() Info {
	info := Info{PID: r.Cdx.PID, Started: r.Started}
	if r.Codex != nil {
		info.Codex = r.Codex.PID
	}
	return info
}

// process is one process, told from later ones with its number by when it started.
type process struct {
	PID   int    `json:"pid"`
	Start string `json:"start"` // as startOf says it; "" if it did not
}

// errGone means that there is no such process, or nothing but its exit status.
var errGone = errors.New("no such process")

func identify(pid int) process {
	start, err := startOf(pid)
	if err != nil {
		start = "" // it ended this moment, or the system keeps other users' processes to itself
	}
	return process{PID: pid, Start: start}
}

// alive reports whether the process may still run. A process of another user may be there without a start to be read.
func (p process) alive() bool {
	start, err := startOf(p.PID)
	if errors.Is(err, errGone) {
		return false
	}
	return err != nil || p.Start == "" || start == p.Start
}
