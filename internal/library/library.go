// Package library keeps the files that the fleet shares, with everything each has been, and what hosts propose to add.
package library

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/fleet"
)

// Refusals.
var (
	ErrNotFound        = errs.New(errs.NotFound, "command_not_found", "There is no such command")
	ErrBaseMismatch    = errs.New(errs.Conflict, "base_mismatch", "The command has changed since you read it")
	ErrContended       = errs.New(errs.Unavailable, "store_contended", "Too many uploads at once; try again")
	ErrNoProposal      = errs.New(errs.NotFound, "proposal_not_found", "There is no such proposal")
	ErrProposalDecided = errs.New(errs.Conflict, "proposal_decided", "The proposal is decided already")
	ErrProposalStale   = errs.New(errs.Conflict, "proposal_stale", "The command has changed since this was proposed")
)

// Command is the kind of file that a slash command is.
const Command = "command"

// Limits.
const (
	maxContentBytes = 256 << 10
	maxTextLength   = 255 // characters of a description, an argument hint
	attempts        = 16  // each lost attempt means that somebody else's store was accepted
)

// errOvertaken means that another store came between our look and our write: look again.
var errOvertaken = errors.New("another store was faster")

// Service keeps the library of one fleet. It is safe for concurrent use, on any number of gateways.
type Service struct {
	store *db.Store
	clock func() time.Time
}

// New makes a service. clock may be nil: time.Now.
func New(store *db.Store, clock func() time.Time) *Service {
	if clock == nil {
		clock = time.Now
	}
	return &Service{store: store, clock: clock}
}

func (s *Service) now() time.Time { return s.clock().UTC() }

// Draft is a file as somebody would like it to be.
type Draft struct {
	Name         string
	Content      string
	Description  *string // nil: what the content's front matter says
	ArgumentHint *string // nil: likewise
	SHA256       string  // of Content, hex, as the sender computed it; "": it did not
	BaseSHA256   string  // of the content that the sender thinks is current; "": it does not care

	Base Base // unless nil: whether the file is what the sender thinks is current
}

// Base says whether a file is what somebody thinks it is who wants to change it; nil: there is none, or it is retired. It may
// be asked more than once; the last answer counts.
type Base func(current *db.LibraryGetRow) bool

// Whatever agrees with everything.
func Whatever(*db.LibraryGetRow) bool { return true }

// Author is who acts, and the host whose text it is; nil: the actor's own.
type Author struct {
	audit.Actor
	Host *db.Host
}

func (a Author) name() string {
	if a.Host != nil {
		return a.Host.FQDN
	}
	return a.Name
}

// Outcome of a store, named as on the wire.
type Outcome string

// The outcomes.
const (
	Created   Outcome = "created"
	Updated   Outcome = "updated"
	Unchanged Outcome = "unchanged"
)

// file is a checked draft.
type file struct {
	name                      string
	content                   string
	sha256                    []byte
	description, argumentHint *string
	base                      []byte // nil: any
	agrees                    Base
}

// check reads a draft. Errors: kind Invalid on filename, prompt, sha256, description or argument_hint.
func check(d Draft) (*file, error) {
	name, err := ParseName(d.Name)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(d.Content))
	f := &file{name: name, content: d.Content, sha256: sum[:], agrees: d.Base}
	declared, err := ParseSHA256("sha256", d.SHA256)
	switch {
	case strings.TrimSpace(d.Content) == "":
		return nil, errs.Field("prompt", "prompt is required")
	case len(d.Content) > maxContentBytes:
		return nil, errs.Field("prompt", fmt.Sprintf("prompt must be %d bytes or fewer", maxContentBytes))
	case !utf8.ValidString(d.Content) || strings.ContainsRune(d.Content, 0):
		return nil, errs.Field("prompt", "prompt must be text without NUL characters")
	case err != nil:
		return nil, err
	case declared != nil && !bytes.Equal(declared, f.sha256):
		return nil, errs.Field("sha256", "sha256 does not match prompt contents")
	}
	if f.base, err = ParseSHA256("base_sha256", d.BaseSHA256); err != nil {
		return nil, err
	}
	f.description, f.argumentHint = FrontMatter(d.Content)
	if d.Description != nil {
		f.description = new(strings.TrimSpace(*d.Description))
	}
	if d.ArgumentHint != nil {
		f.argumentHint = new(strings.TrimSpace(*d.ArgumentHint))
	}
	if err := checkText("description", f.description); err != nil {
		return nil, err
	}
	return f, checkText("argument_hint", f.argumentHint)
}

func checkText(field string, text *string) error {
	switch {
	case text == nil:
	case strings.ContainsRune(*text, 0):
		return errs.Field(field, field+" must be text without NUL characters")
	case utf8.RuneCountInString(*text) > maxTextLength:
		return errs.Field(field, fmt.Sprintf("%s must be %d characters or fewer", field, maxTextLength))
	}
	return nil
}

// ParseSHA256 reads a digest in hex; nil when text is blank. Errors: kind Invalid on field.
func ParseSHA256(field, text string) ([]byte, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil, nil
	}
	sum, err := hex.DecodeString(text)
	if err != nil || len(sum) != sha256.Size {
		return nil, errs.Field(field, field+" must be 64 hex characters")
	}
	return sum, nil
}

// List lists the commands by name, retired ones included, without their texts.
func (s *Service) List(ctx context.Context) ([]db.LibraryListRow, error) {
	files, err := s.store.LibraryList(ctx, Command)
	if err != nil {
		return nil, fmt.Errorf("listing the commands: %w", err)
	}
	return files, nil
}

// Get returns a command with its current text, retired or not. Errors: ErrNotFound.
func (s *Service) Get(ctx context.Context, name string) (*db.LibraryGetRow, error) {
	if known, err := ParseName(name); err != nil || known != name { // nor has PostgreSQL a text for every name
		return nil, ErrNotFound.With("filename", name)
	}
	return get(ctx, s.store.Queries, name)
}

func get(ctx context.Context, q *db.Queries, name string) (*db.LibraryGetRow, error) {
	row, err := q.LibraryGet(ctx, db.LibraryGetParams{Kind: Command, Name: name})
	switch {
	case db.IsNoRows(err):
		return nil, ErrNotFound.With("filename", name)
	case err != nil:
		return nil, fmt.Errorf("reading the command %s: %w", name, err)
	}
	return &row, nil
}

// look returns a command as it is now; nil when there is none.
func look(ctx context.Context, q *db.Queries, name string) (*db.LibraryGetRow, error) {
	row, err := get(ctx, q, name)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	return row, err
}

// Store makes a draft the current version of its file, which may not exist yet or be retired. current is the file
// afterwards.
//
// Errors: kind Invalid; ErrBaseMismatch, ErrContended; fleet.ErrKeyInvalid when the author's host or its key is gone since it
// was let in.
func (s *Service) Store(ctx context.Context, d Draft, by Author) (outcome Outcome, current *db.LibraryGetRow, err error) {
	f, err := check(d)
	if err != nil {
		return "", nil, err
	}
	err = s.untilSettled(ctx, func(q *db.Queries) error {
		if err := hold(ctx, q, by.Host); err != nil {
			return err
		}
		before, err := look(ctx, q, f.name)
		if err != nil {
			return err
		}
		outcome, current, err = s.put(ctx, q, f, before, by, audit.ActionSlashStore)
		return err
	})
	return outcome, current, err
}

// hold keeps the host whose text it is, and its key, as they are until the transaction ends. host may be nil.
func hold(ctx context.Context, q *db.Queries, host *db.Host) error {
	if host == nil {
		return nil
	}
	_, err := fleet.Hold(ctx, q, host)
	return err
}

func (s *Service) untilSettled(ctx context.Context, decide func(*db.Queries) error) error {
	for range attempts {
		err := s.store.WithTx(ctx, decide)
		if !errors.Is(err, errOvertaken) {
			return err
		}
	}
	return ErrContended
}

// put decides what a checked draft is, compared with what was there when its caller looked, and writes it if that still is.
func (s *Service) put(
	ctx context.Context, q *db.Queries, f *file, before *db.LibraryGetRow, by Author, action string,
) (Outcome, *db.LibraryGetRow, error) {
	switch {
	case !f.follows(before):
		return "", nil, ErrBaseMismatch
	case before == nil:
		if err := s.create(ctx, q, f, by); err != nil {
			return "", nil, err
		}
	case f.is(before):
		return Unchanged, before, nil
	default:
		if err := s.advance(ctx, q, before, f, by); err != nil {
			return "", nil, err
		}
	}
	outcome := Created
	if before != nil {
		outcome = Updated
	}
	after, err := get(ctx, q, f.name)
	if err != nil {
		return "", nil, err
	}
	return outcome, after, s.record(ctx, q, by, action, audit.Details{
		"filename": f.name, "status": outcome, "version": after.LibraryFile.Version, "sha256": hex.EncodeToString(f.sha256),
	})
}

// follows reports whether a draft was made from the current text, as far as its sender cares. current is nil: none. That
// of a retired file is not current: its sender does not know yet that an admin took it away.
func (f *file) follows(current *db.LibraryGetRow) bool {
	if current != nil && current.LibraryFile.DeletedAt != nil {
		current = nil
	}
	return (f.agrees == nil || f.agrees(current)) &&
		(f.base == nil || (current != nil && bytes.Equal(f.base, current.LibraryVersion.SHA256)))
}

// is reports whether a draft is what the file is already. A retired file is nothing, so that it can be revived.
func (f *file) is(current *db.LibraryGetRow) bool {
	v := current.LibraryVersion
	return current.LibraryFile.DeletedAt == nil && bytes.Equal(f.sha256, v.SHA256) &&
		equal(f.description, v.Description) && equal(f.argumentHint, v.ArgumentHint)
}

func (s *Service) create(ctx context.Context, q *db.Queries, f *file, by Author) error {
	id, err := q.LibraryFileInsert(ctx, db.LibraryFileInsertParams{Kind: Command, Name: f.name, Now: s.now()})
	if db.IsNoRows(err) {
		if err := distinct(ctx, q, f.name); err != nil {
			return err
		}
		return errOvertaken
	}
	if err != nil {
		return fmt.Errorf("creating the command %s: %w", f.name, err)
	}
	return s.insertVersion(ctx, q, id, 1, f, by)
}

// distinct refuses a name that another file has in another case.
func distinct(ctx context.Context, q *db.Queries, name string) error {
	namesake, err := q.LibraryNamesake(ctx, db.LibraryNamesakeParams{Kind: Command, Name: name})
	switch {
	case db.IsNoRows(err) || (err == nil && namesake == name):
		return nil
	case err != nil:
		return fmt.Errorf("looking for namesakes of %s: %w", name, err)
	}
	return errs.Field("filename", "filename differs only in case from "+namesake+", which would be the same file on some hosts")
}

func (s *Service) advance(ctx context.Context, q *db.Queries, before *db.LibraryGetRow, f *file, by Author) error {
	current := before.LibraryFile
	won, err := q.LibraryFileAdvance(ctx, db.LibraryFileAdvanceParams{
		ID: current.ID, Current: current.Version, DeletedAt: current.DeletedAt, Now: s.now(),
	})
	switch {
	case err != nil:
		return fmt.Errorf("changing the command %s: %w", f.name, err)
	case won == 0:
		return errOvertaken
	}
	return s.insertVersion(ctx, q, current.ID, current.Version+1, f, by)
}

func (s *Service) insertVersion(ctx context.Context, q *db.Queries, id, number int64, f *file, by Author) error {
	params := db.LibraryVersionInsertParams{
		FileID: id, Number: number, SHA256: f.sha256, Content: f.content, Description: f.description,
		ArgumentHint: f.argumentHint, Author: by.name(), Now: s.now(),
	}
	if by.Host != nil {
		params.SourceHostID = &by.Host.ID
	}
	if err := q.LibraryVersionInsert(ctx, params); err != nil {
		return fmt.Errorf("storing version %d of the command %s: %w", number, f.name, err)
	}
	return nil
}

func (s *Service) record(ctx context.Context, q *db.Queries, by Author, action string, details audit.Details) error {
	entry := audit.Entry{At: s.now(), Actor: by.Actor, Action: action, Details: details}
	if by.Host != nil {
		entry.HostID = by.Host.ID
	}
	return audit.Record(ctx, q, entry)
}

func equal(a, b *string) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}
