package journal

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"time"

	"github.com/cdxgate/cdxgate/internal/api/jsondoc"
	"github.com/cdxgate/cdxgate/internal/cdx/files"
)

// maxBytes is more than maxEntries of the longest logins take, and no more than a client should read.
const maxBytes = maxEntries * 2 * jsondoc.MaxBytes

// DamagedError means that the journal could not be read. It was moved to Kept, which may hold a login: only its owner
// can tell, so cdx never removes it.
type DamagedError struct {
	Kept   string // path
	Reason string // without anything of the content
}

// Error implements error.
func (e *DamagedError) Error() string {
	return "the journal of logins that were not sent up was damaged (" + e.Reason + "); it is kept as " + e.Kept
}

func asDamaged(err error) (*DamagedError, bool) { return errors.AsType[*DamagedError](err) }

// stored is an Entry on disk. JSON carries auth as base64.
type stored struct {
	Auth     []byte    `json:"auth"`
	Digest   string    `json:"digest"`
	Base     string    `json:"base,omitempty"`
	Since    time.Time `json:"since"`
	Rejected string    `json:"rejected,omitempty"`
}

type document struct {
	Pending []stored `json:"pending"`
}

// load reads the journal.
//
// Errors: *DamagedError, after which there is no file; others leave it as it is.
func (j Journal) load() ([]Entry, error) {
	text, err := files.ReadBounded(j.Path, maxBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the journal of logins: %w", err)
	}
	entries, err := decode(text)
	if err != nil {
		return nil, j.setAside(err.Error())
	}
	return entries, nil
}

// decode returns errors that tell nothing of text.
func decode(text []byte) ([]Entry, error) {
	if len(text) > maxBytes {
		return nil, errors.New("too large")
	}
	var d document
	if json.Unmarshal(text, &d) != nil || d.Pending == nil {
		return nil, errors.New("not what cdx wrote")
	}
	entries := make([]Entry, 0, len(d.Pending))
	for _, s := range d.Pending {
		e, err := newEntry(s.Auth)
		if err != nil || e.Digest != s.Digest {
			return nil, errors.New("a login in it is not the one that was written")
		}
		e.Base, e.Since, e.Rejected = s.Base, s.Since, s.Rejected
		entries = append(entries, e)
	}
	return entries, nil
}

func (j Journal) save(entries []Entry) error {
	if len(entries) == 0 {
		return files.Remove(j.Path)
	}
	d := document{Pending: make([]stored, 0, len(entries))}
	for _, e := range entries {
		d.Pending = append(d.Pending, stored{Auth: e.Auth, Digest: e.Digest, Base: e.Base, Since: e.Since, Rejected: e.Rejected})
	}
	text, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("encoding the journal of logins: %w", err)
	}
	return files.Write(j.Path, append(text, '\n'))
}

// setAside makes room for a new journal.
func (j Journal) setAside(reason string) error {
	kept := j.asideName("bad")
	// Whoever damaged it may have opened it to others.
	err := os.Chmod(j.Path, 0o600)
	if err == nil {
		files.Reach("set aside the journal")
		err = os.Rename(j.Path, kept)
	}
	if err != nil {
		return fmt.Errorf("setting the damaged journal of logins aside: %w", err)
	}
	return &DamagedError{Kept: kept, Reason: reason}
}

// asideName is a free name beside the journal.
func (j Journal) asideName(kind string) string {
	name := j.Path + "." + kind + "-" + j.Now().UTC().Format("20060102T150405Z")
	free := name
	for i := 2; ; i++ {
		if _, err := os.Lstat(free); err != nil {
			return free
		}
		free = name + "-" + strconv.Itoa(i)
	}
}

// knownDigest returns text if it is a digest, and "" for whatever else a gateway may have said.
func knownDigest(text string) string {
	if sum, err := hex.DecodeString(text); err != nil || len(sum) != len(jsondoc.Digest{}) {
		return ""
	}
	return text
}
