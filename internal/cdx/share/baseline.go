package share

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"

	"github.com/cdxgate/cdxgate/internal/cdx/files"
)

// Entry is what is remembered about one file; all members are digests. The zero value: nothing, and not written down.
type Entry struct {
	// Synced was on disk and on the gateway at once, last.
	Synced string `json:"synced,omitempty"`
	// Beside is the fleet's text that was put into the copy because the user had changed the file too.
	Beside string `json:"beside,omitempty"`
	// Writing was about to be put on disk. Found there later, it came from the fleet and not from the user.
	Writing string `json:"writing,omitempty"`
	// Offered waits for an admin, or was declined by the gateway.
	Offered string `json:"offered,omitempty"`
}

// Baseline is what is remembered between runs, by name:
//
//	{"review.md": {"synced": "9f86…"}, "mine.md": {"synced": "60303…", "beside": "fd61…"}}
type Baseline map[string]Entry

// maxBaselineBytes holds several times as many files as a list may have.
const maxBaselineBytes = 8 << 20

var errDamaged = errors.New("is damaged")

// readBaseline reads a baseline, leaving out what no cdx wrote. Whatever is wrong with it, the result can be used: of a
// file that nothing is remembered about, nothing is overwritten or removed.
func readBaseline(path string) (Baseline, error) {
	b := Baseline{}
	text, err := files.ReadBounded(path, maxBaselineBytes)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return b, nil
	case err != nil:
		return b, err
	case len(text) > maxBaselineBytes:
		return b, fmt.Errorf("%s %w", path, errDamaged)
	}
	var raw Baseline
	if json.Unmarshal(text, &raw) != nil {
		return b, fmt.Errorf("%s %w", path, errDamaged)
	}
	for name, e := range raw {
		if CheckName(name) == nil && e.sound() && e != (Entry{}) {
			b[name] = e
		}
	}
	if len(b) != len(raw) {
		return b, fmt.Errorf("%s %w", path, errDamaged)
	}
	return b, nil
}

func (e Entry) sound() bool {
	for _, digest := range []string{e.Synced, e.Beside, e.Writing, e.Offered} {
		if digest != "" && !isDigest(digest) {
			return false
		}
	}
	return true
}

// set remembers e about a file.
func (b Baseline) set(name string, e Entry) {
	if e == (Entry{}) {
		delete(b, name)
		return
	}
	b[name] = e
}

// save writes b unless written, which is what the file holds, says the same.
func (b Baseline) save(path string, written Baseline) error {
	if maps.Equal(b, written) {
		return nil
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(b); err != nil {
		return fmt.Errorf("encoding what was in step: %w", err)
	}
	return files.Write(path, text.Bytes())
}
