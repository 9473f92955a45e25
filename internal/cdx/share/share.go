// Package share keeps files that a fleet shares in step with the gateway, by a merge of three states of each: what was
// in step last, what the gateway has now, what is on disk now. It knows names, digests and a place to put texts; whether
// these are slash commands, skills or a single file is for its caller to say.
//
// Where to read about it:
//
//	name.go      which names may come from outside
//	merge.go     one file: three states in, one action out
//	baseline.go  what is remembered between runs
//	disk.go      what is on disk, and what is looked at but never touched
//	plan.go      all files: the gateway's list in, actions out; nothing is changed
//	apply.go     actions done
//
// What holds everywhere: a text that only this machine has is never overwritten, removed or sent by itself; a process that
// dies at any step leaves what the next run puts in order. One process at a time per Set: the caller holds the lock of the
// Codex home from Plan to the end of Apply. Editors and Codex itself may write meanwhile; a file that changed since
// the plan was made is left for the next run.
package share

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
)

// Set is a kind of shared file on this machine, and the ways to the gateway. It is not changed by what it does.
type Set struct {
	Place    Place
	Baseline string // path of the JSON file that remembers what was in step; its directory is made when it is missing

	// MayPush says whether a text of this machine may be offered to the gateway. Default (nil): none may.
	MayPush func(name string) bool
	// Shared are names that the user marked to be shared although the gateway does not have them. All others that are
	// only on this machine stay on it.
	Shared []string
	// OfferAgain offers texts again that wait for an admin or that the gateway declined. Without it each is offered
	// once, so that a start of Codex does not repeat the question.
	OfferAgain bool

	// Fetch asks the gateway for the current text of a file, until ctx ends. Several goroutines call it at once.
	Fetch func(ctx context.Context, name string) (text []byte, err error)
	// Push offers the gateway a text, to be taken only if the current one has the digest base. "": whatever it is; the
	// gateway listed none. It ends with ctx. Several goroutines call it at once.
	Push func(ctx context.Context, name string, text []byte, base string) (Answer, error)
}

// Answer is what the gateway makes of a text that it is offered.
type Answer string

// The answers.
const (
	Stored   Answer = "stored"   // it is the fleet's text now, or was already
	Proposed Answer = "proposed" // an admin decides
	Declined Answer = "declined" // hosts may not change this
)

// Item is a file as the gateway lists it.
type Item struct {
	Name    string
	SHA256  string // lower-case hex, of the text's bytes; of a retired file: anything
	Retired bool   // hosts remove their copy
}

// besideSuffix is added to a file's name for the fleet's text that could not be put in its place.
const besideSuffix = ".remote"

// Digest is how a text is called everywhere here: SHA-256 of its bytes in lower-case hex.
func Digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// isDigest reports whether text has the form of a digest.
func isDigest(text string) bool {
	if len(text) != hex.EncodedLen(sha256.Size) {
		return false
	}
	for _, c := range []byte(text) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
