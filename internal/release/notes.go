package release

import (
	"context"
	"fmt"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/github"
)

// maxNotes is of how many releases the notes are kept.
const maxNotes = 50

// Notes are what is new in a version of Codex.
type Notes struct {
	Off         bool      // nobody is asked: nothing is known
	CheckedAt   time.Time // when GitHub last said so; zero: the version was not the newest while somebody looked, or too long ago
	PublishedAt time.Time // zero: GitHub did not say
	Text        string    // a stranger's words, at most [github.MaxNotes] bytes; "": GitHub has none, or nothing is known
}

// Notes returns what is known of a version. GitHub is not asked: notes come with the looks for the newest Codex, so that nobody
// who opens a page makes the gateway ask.
func (c *Codex) Notes(ctx context.Context, version string) (Notes, error) {
	if c.source == nil {
		return Notes{Off: true}, nil
	}
	row, err := c.store.CodexNotesGet(ctx, version)
	if db.IsNoRows(err) {
		return Notes{}, nil
	}
	if err != nil {
		return Notes{}, fmt.Errorf("reading the notes of a Codex: %w", err)
	}
	notes := Notes{CheckedAt: row.KeptAt, Text: row.Notes}
	if row.PublishedAt != nil {
		notes.PublishedAt = *row.PublishedAt
	}
	return notes, nil
}

// keepNotes keeps the notes of a release that was found.
func keepNotes(ctx context.Context, q *db.Queries, found *github.Release) error {
	keep := db.CodexNotesKeepParams{Version: found.Version, Notes: found.Notes}
	if !found.PublishedAt.IsZero() {
		keep.PublishedAt = &found.PublishedAt
	}
	if err := q.CodexNotesKeep(ctx, keep); err != nil {
		return fmt.Errorf("keeping the notes of the newest Codex: %w", err)
	}
	if err := q.CodexNotesPrune(ctx, maxNotes); err != nil {
		return fmt.Errorf("forgetting old notes: %w", err)
	}
	return nil
}
