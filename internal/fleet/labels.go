package fleet

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/errs"
)

const (
	maxLabels          = 16
	maxLabelValueBytes = 64
	maxNoteBytes       = 1 << 10
)

var labelKey = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,31}$`)

// Labels are what admins find a host by.
func Labels(host *db.Host) map[string]string {
	labels := map[string]string{}
	_ = json.Unmarshal(host.Labels, &labels) // the table takes nothing but an object of texts
	return labels
}

// ParseLabel takes key=value apart; an empty value stands for no such label. Errors: kind Invalid on field labels.
func ParseLabel(text string) (key, value string, err error) {
	key, value, found := strings.Cut(text, "=")
	if !found {
		return "", "", errs.Field("labels", "labels wants key=value")
	}
	return key, value, checkLabel(key, value)
}

func checkLabel(key, value string) error {
	if !labelKey.MatchString(key) {
		return errs.Field("labels", fmt.Sprintf("labels wants keys of at most 32 characters from a-z, 0-9 and ._- that begin with a letter or digit, got %.64q", key))
	}
	if len(value) > maxLabelValueBytes || !printsAs(value, "") {
		return errs.Field("labels", fmt.Sprintf("labels wants values of at most %d bytes that can be printed, which that of %s is not", maxLabelValueBytes, key))
	}
	return nil
}

// CheckLabels refuses a change of labels that no host can be given, whatever it has. Errors: kind Invalid on field labels.
func CheckLabels(change map[string]string) error {
	_, err := relabelled(map[string]string{}, change)
	return err
}

// relabelled is what labels are after a change; an empty value removes one. Errors: kind Invalid on field labels.
func relabelled(before, change map[string]string) (map[string]string, error) {
	after := maps.Clone(before)
	for _, key := range slices.Sorted(maps.Keys(change)) {
		if err := checkLabel(key, change[key]); err != nil {
			return nil, err
		}
		if change[key] == "" {
			delete(after, key)
		} else {
			after[key] = change[key]
		}
	}
	if len(after) > maxLabels {
		return nil, errs.Field("labels", fmt.Sprintf("labels takes at most %d of them, and the host would have %d", maxLabels, len(after)))
	}
	return after, nil
}

func checkNote(note string) error {
	if len(note) > maxNoteBytes || !printsAs(note, "\n\t") {
		return errs.Field("note", fmt.Sprintf("note wants a text of at most %d bytes that can be printed", maxNoteBytes))
	}
	return nil
}

// printsAs reports whether text is UTF-8 that can be printed, the characters of also included.
func printsAs(text, also string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool {
		return !unicode.IsPrint(r) && !strings.ContainsRune(also, r)
	})
}
