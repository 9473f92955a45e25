// Package journal keeps the logins that the gateway has not acknowledged yet, so that nothing between a renewal by Codex
// and the gateway's answer can lose one: not a kill, a power cut, an auth.json that is replaced meanwhile, nor a week
// without network.
//
// It is one file beside the other things that cdx remembers about a home:
//
//	{"pending": [{
//	    "auth":     "…",        // the bytes of auth.json, base64: its digest must come out the same
//	    "digest":   "9f2c…",    // of auth: a file that was damaged says so
//	    "base":     "41aa…",    // canonical digest that the gateway last named before
//	    "since":    "2026-11-23T15:19:31Z",
//	    "rejected": ""          // why the gateway does not want it
//	}]}
//
// The newest comes first. An older one stays beside it unless the newer is its renewal, which has spent its refresh
// token: somebody who logs in anew, or puts another auth.json in place, may thereby hide the only copy of a login.
// Nothing is dropped on a guess: when there are too many, the first to leave are those that the gateway refused, and
// what else has to leave, or cannot be read, is set aside in a file of its own.
//
// All of it is for the holder of the home's lock.
package journal

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/cdxgate/cdxgate/internal/api/jsondoc"
	"github.com/cdxgate/cdxgate/internal/cdx/files"
)

// Entry is a login that the gateway has not acknowledged. It is secret as a whole and prints as [redacted].
type Entry struct {
	Auth     []byte    // auth.json to the byte
	Digest   string    // canonical digest of Auth, 64 hex
	Base     string    // canonical digest that the gateway last named before this login came up; "" if it never did
	Account  string    // whose login it is; "" if Auth does not say
	Since    time.Time // when it was first journalled, UTC
	Rejected string    // why the gateway refused it for good; "" if it did not
	token    claims
}

const redacted = "[redacted]"

// Format implements fmt.Formatter.
func (Entry) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue implements slog.LogValuer.
func (Entry) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON implements json.Marshaler, so that no logger prints a login by accident.
func (Entry) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// renews reports whether e is certainly a renewal of old, directly or by way of others: then old's refresh token is
// spent. The gateway tells a descendant by the same signs.
func (e Entry) renews(old Entry) bool {
	return e.Account != "" && e.Account == old.Account && e.token.laterOfOneLogin(old.token)
}

// Journal is the journal of one home. Both members are needed; the file may be missing.
//
// Each method may return a *DamagedError: the file was set aside, the method did its work, and what was pending before
// is to be found there. After any other error of a change the journal is as it was, or as it was to be but may not
// survive a power cut.
type Journal struct {
	Path string // .cdx/pending-auth.json
	Now  func() time.Time
}

const (
	maxEntries     = 8
	maxReasonBytes = 1 << 10
)

// Put journals auth, which came up after the gateway had last named base, as the newest login. When Put returns, it
// survives a power cut. A login that is there already keeps its time and what the gateway said about it.
//
// Errors: what [jsondoc.Parse] says when auth is no login; the file system's.
func (j Journal) Put(auth []byte, base string) error {
	e, err := newEntry(auth)
	if err != nil {
		return err
	}
	e.Base, e.Since = knownDigest(base), j.Now().UTC()
	return j.change(func(entries []Entry) ([]Entry, error) {
		if i := indexOf(entries, e.Digest); i >= 0 {
			e.Since, e.Rejected = entries[i].Since, entries[i].Rejected
			entries = slices.Delete(entries, i, i+1)
		}
		entries = slices.DeleteFunc(entries, e.renews)
		return j.bounded(slices.Insert(entries, 0, e))
	})
}

// bounded makes room by forgetting a login that the gateway refused, or else by setting the oldest aside.
func (j Journal) bounded(entries []Entry) ([]Entry, error) {
	for len(entries) > maxEntries {
		last := len(entries) - 1
		for last > 0 && entries[last].Rejected == "" {
			last--
		}
		if last == 0 {
			last = len(entries) - 1
			if err := files.Write(j.asideName("old"), entries[last].Auth); err != nil {
				return nil, err
			}
		}
		entries = slices.Delete(entries, last, last+1)
	}
	return entries, nil
}

// Read returns what is pending, the newest first; nothing when there is no file.
func (j Journal) Read() ([]Entry, error) { return j.load() }

// Next returns the login to send up, the newest that the gateway did not refuse, or nil.
func Next(entries []Entry) *Entry {
	i := slices.IndexFunc(entries, func(e Entry) bool { return e.Rejected == "" })
	if i < 0 {
		return nil
	}
	return &entries[i]
}

// Settle forgets the login with that digest, because the gateway has it or has a later one. Others stay; with the last
// the file goes.
func (j Journal) Settle(digest string) error {
	return j.change(func(entries []Entry) ([]Entry, error) {
		return slices.DeleteFunc(entries, func(e Entry) bool { return e.Digest == digest }), nil
	})
}

// Reject remembers why the gateway refused the login with that digest for good. It is kept, and [Next] passes it over.
func (j Journal) Reject(digest, reason string) error {
	reason = strings.ToValidUTF8(reason[:min(len(reason), maxReasonBytes)], "")
	if reason == "" {
		reason = "it did not say why"
	}
	return j.change(func(entries []Entry) ([]Entry, error) {
		if i := indexOf(entries, digest); i >= 0 {
			entries[i].Rejected = reason
		}
		return entries, nil
	})
}

// change writes what edit makes of the entries, if that is something else.
func (j Journal) change(edit func([]Entry) ([]Entry, error)) error {
	files.RemoveStale(j.Path, j.Now())
	before, damaged := j.load()
	if _, ok := asDamaged(damaged); damaged != nil && !ok {
		return damaged
	}
	after, err := edit(slices.Clone(before))
	if err != nil {
		return err
	}
	if !slices.EqualFunc(before, after, Entry.same) {
		if err := j.save(after); err != nil {
			return err
		}
	}
	return damaged
}

func (e Entry) same(other Entry) bool {
	return bytes.Equal(e.Auth, other.Auth) && e.Base == other.Base && e.Since.Equal(other.Since) && e.Rejected == other.Rejected
}

func indexOf(entries []Entry, digest string) int {
	return slices.IndexFunc(entries, func(e Entry) bool { return e.Digest == digest })
}

// newEntry understands an auth.json.
func newEntry(auth []byte) (Entry, error) {
	value, err := jsondoc.Parse(auth)
	if err != nil {
		return Entry{}, fmt.Errorf("journalling the login: %w", err)
	}
	doc, ok := value.(*jsondoc.Object)
	if !ok {
		return Entry{}, fmt.Errorf("journalling the login: %w: not an object", jsondoc.ErrSyntax)
	}
	tokens := doc.Object("tokens")
	return Entry{
		Auth: auth, Digest: jsondoc.DigestOf(doc).String(),
		Account: tokens.Text("account_id"), token: readClaims(tokens.Text("access_token")),
	}, nil
}
