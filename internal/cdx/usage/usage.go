// Package usage counts the tokens that Codex used, and keeps the count until the gateway has acknowledged it.
//
// The source are Codex's rollout files, one for each thread. What was counted of each thread and what is to be reported
// stand in one ledger, so that a crash at any moment neither loses nor doubles a token. No text of a conversation is kept.
package usage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/cdx/files"
)

// Journal is the usage of one Codex home. It holds nothing in memory, so any number of processes may have one. Every
// method reads the ledger anew; whoever calls one of them holds the lock of the home, unless it says otherwise.
//
// A ledger that is no ledger is moved aside by whichever method meets it, which then returns a [*Damaged] beside its
// result: what it had not reported is lost, and counting begins again at that moment, so that nothing counts twice.
type Journal struct {
	home string
	now  func() time.Time
}

// Open returns the journal of a Codex home. It touches nothing.
func Open(home string) *Journal { return &Journal{home: home, now: time.Now} }

func (j *Journal) path() string { return filepath.Join(j.home, ".cdx", "usage.json") }

// Begin makes sure that there is a ledger before Codex starts, since what was used before cdx first met the home is not
// reported. It costs one look at the file system once there is one.
func (j *Journal) Begin() error {
	if _, err := os.Lstat(j.path()); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return j.save(newLedger(j.now()))
}

// Collect counts what Codex has used since the last time, whoever started it, and writes it down to be reported.
// Files in which nothing happened since are not opened. It returns what was used at since or later, for people to read: that
// is the run that began then, and the others of the same home while it lasted.
//
// It ends when ctx does; what it has not got to then is counted the next time, so this is no error.
func (j *Journal) Collect(ctx context.Context, since time.Time) (Tokens, error) {
	began := j.now()
	book, damage, err := j.load()
	if err != nil {
		return Tokens{}, err
	}
	found, complete, err := j.find(ctx, func(id string, f facts) bool { return book.changed(id, f) || !f.modified.Before(since) })
	defer found.close()
	if err != nil {
		return Tokens{}, err
	}
	files.RemoveStale(j.path(), began)
	before := book.fingerprint()
	var used Tokens
	var fresh []share
	for _, file := range found.files {
		reading, f, err := file.read(ctx, book.from(file.id), since)
		if ctx.Err() != nil {
			complete = false
			break
		}
		if err != nil {
			continue // gone, or not ours to read
		}
		used = used.plus(reading.run)
		fresh = append(fresh, book.count(file.id, f, reading)...)
		book.Limits = newer(book.Limits, reading.limits, began)
	}
	book.report(fresh)
	if complete {
		book.Scanned = began.UnixMilli()
		book.forget(began)
	}
	if book.fingerprint() != before {
		err = j.save(book)
	}
	return used, errOr(err, damage)
}

// Next is what is to be reported: the same until it is acknowledged, but for the rate limits, which are the newest
// known. Nil: nothing.
func (j *Journal) Next() (*api.SyncUsage, error) {
	book, damage, err := j.load()
	if err != nil || book.Sending == nil {
		return nil, errOr(err, damage)
	}
	next := &api.SyncUsage{IdempotencyKey: book.Sending.Key}
	if book.Limits.Raw != nil {
		next.RateLimits, next.RateLimitsAt = book.Limits.Raw, time.UnixMilli(book.Limits.Seen).UTC().Format(time.RFC3339)
	}
	for _, e := range book.Sending.Entries {
		text, err := json.Marshal(e.wire())
		if err != nil {
			return nil, fmt.Errorf("encoding usage: %w", err)
		}
		next.Usages = append(next.Usages, text)
	}
	return next, errOr(nil, damage)
}

// Acknowledge forgets what was reported under a key, which the gateway has recorded, or will never record. Another key than
// that of [Journal.Next] is one that another process has acknowledged: nothing happens.
func (j *Journal) Acknowledge(key string) error {
	book, damage, err := j.load()
	if err != nil || book.Sending == nil || book.Sending.Key != key {
		return errOr(err, damage)
	}
	book.Sending, book.Waiting = book.Waiting, nil
	return j.save(book)
}

// Pending is how many entries the gateway has not acknowledged. It needs no lock.
func (j *Journal) Pending() (int, error) {
	book, err := j.peek()
	return len(book.Sending.entries()) + len(book.Waiting.entries()), err
}

// Limits are the newest rate limits that Codex wrote down. The zero value: none. It needs no lock.
func (j *Journal) Limits() (Limits, error) {
	book, err := j.peek()
	if err != nil || book.Limits.Raw == nil {
		return Limits{}, err
	}
	limits := ParseLimits(book.Limits.Raw)
	limits.SeenAt = time.UnixMilli(book.Limits.Seen)
	return limits, nil
}

// errOr returns err, or what is only to be told.
func errOr(err error, damage *Damaged) error {
	if err == nil && damage != nil {
		return damage
	}
	return err
}
