package operator

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/library"
)

// shownCommand is a slash command as the library verbs show it with -o json; names are those of the wire.
type shownCommand struct {
	Filename     string   `json:"filename"`
	Version      int64    `json:"version"`
	SHA256       string   `json:"sha256"`
	Description  *string  `json:"description"`
	ArgumentHint *string  `json:"argument_hint"`
	Author       string   `json:"author"`
	UpdatedAt    api.Time `json:"updated_at"`
	DeletedAt    api.Time `json:"deleted_at"` // not null: retired
	Prompt       *string  `json:"prompt,omitempty"`
}

func shownRow(row *db.LibraryGetRow) shownCommand {
	f, v := row.LibraryFile, row.LibraryVersion
	return shownCommand{
		Filename: f.Name, Version: f.Version, SHA256: hex.EncodeToString(v.SHA256), Description: v.Description,
		ArgumentHint: v.ArgumentHint, Author: v.Author, UpdatedAt: api.Time{Time: f.UpdatedAt}, DeletedAt: timeOrNull(f.DeletedAt),
	}
}

func timeOrNull(t *time.Time) api.Time {
	if t == nil {
		return api.Time{}
	}
	return api.Time{Time: *t}
}

const (
	descriptionLength = 60 // characters that a table shows
	hostsGetIt        = "hosts get it when they next ask"
)

// LibraryList prints every command, retired ones included.
func (c *Console) LibraryList(ctx context.Context) error {
	files, err := c.library.List(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	all := make([]shownCommand, 0, len(files))
	t := table{
		head:     []string{"NAME", "STATE", "VERSION", "CHANGED", "BY", "DESCRIPTION"},
		optional: []string{"DESCRIPTION", "BY", "VERSION", "CHANGED"},
	}
	for _, f := range files {
		all = append(all, shownCommand{
			Filename: f.Name, Version: f.Version, SHA256: hex.EncodeToString(f.SHA256), Description: f.Description,
			ArgumentHint: f.ArgumentHint, Author: f.Author, UpdatedAt: api.Time{Time: f.UpdatedAt}, DeletedAt: timeOrNull(f.DeletedAt),
		})
		state := "shared"
		if f.DeletedAt != nil {
			state = "retired"
		}
		t.rows = append(t.rows, []string{
			f.Name, state, fmt.Sprint(f.Version), ago(&f.UpdatedAt, now), f.Author, clip(orDash(f.Description), descriptionLength),
		})
	}
	if len(files) == 0 {
		c.say("No commands yet. Add one: cdxgate library add FILE")
	}
	return c.print(map[string]any{"commands": all}, func(out io.Writer) { t.write(out, c.Err) })
}

// LibraryShow prints the text of a command.
func (c *Console) LibraryShow(ctx context.Context, name string) error {
	row, err := c.library.Get(ctx, name)
	if err != nil {
		return unknownCommand(err)
	}
	if c.JSON {
		shown := shownRow(row)
		shown.Prompt = &row.LibraryVersion.Content
		return c.print(map[string]any{"command": shown}, nil)
	}
	if row.LibraryFile.DeletedAt != nil {
		c.say("! %s is retired: hosts do not have it", name)
	}
	return c.printText(row.LibraryVersion.Content)
}

// LibraryAddOptions are the flags of library add.
type LibraryAddOptions struct {
	Name string // Default: that of the file
}

// LibraryAdd makes a file, or with "-" what comes in, a command.
func (c *Console) LibraryAdd(ctx context.Context, path string, opts LibraryAddOptions) error {
	text, err := c.readFile(path)
	if err != nil {
		return err
	}
	if opts.Name == "" && path != "-" {
		opts.Name = filepath.Base(path)
	}
	outcome, row, err := c.library.Store(ctx, library.Draft{Name: opts.Name, Content: string(text)}, library.Author{Actor: c.by})
	if err != nil {
		return err
	}
	return c.changed(outcome, row)
}

// changed says and prints what a command is now.
func (c *Console) changed(outcome library.Outcome, row *db.LibraryGetRow) error {
	name, version := row.LibraryFile.Name, row.LibraryFile.Version
	switch outcome {
	case library.Created:
		c.say("✓ %s is a command now; %s", name, hostsGetIt)
	case library.Updated:
		c.say("✓ %s is version %d now; %s", name, version, hostsGetIt)
	case library.Unchanged:
		c.say("✓ %s is that already, version %d", name, version)
	}
	return c.print(map[string]any{"status": outcome, "command": shownRow(row)}, func(io.Writer) {})
}

// LibraryRemove retires a command, after asking.
func (c *Console) LibraryRemove(ctx context.Context, name string) error {
	row, err := c.library.Get(ctx, name)
	if err != nil {
		return unknownCommand(err)
	}
	if row.LibraryFile.DeletedAt == nil { // else there is nothing to ask
		if err := c.confirm("Retire " + name + "? Hosts remove their copies when they next ask."); err != nil {
			return err
		}
	}
	if err := c.library.Delete(ctx, name, nil, library.Author{Actor: c.by}); err != nil {
		return advise(err, library.ErrNotFound, "%s is retired already", name)
	}
	c.say("✓ %s is retired. To have it back: cdxgate library restore %s %d", name, name, row.LibraryFile.Version)
	return c.print(map[string]string{"retired": name}, func(io.Writer) {})
}

// shownVersion is a version as library versions -o json shows it.
type shownVersion struct {
	Version      int64    `json:"version"`
	SHA256       string   `json:"sha256"`
	Description  *string  `json:"description"`
	ArgumentHint *string  `json:"argument_hint"`
	Author       string   `json:"author"`
	CreatedAt    api.Time `json:"created_at"`
	SizeBytes    int32    `json:"size_bytes"`
}

// LibraryVersions prints what a command has been, newest first.
func (c *Console) LibraryVersions(ctx context.Context, name string) error {
	versions, err := c.library.Versions(ctx, name)
	if err != nil {
		return unknownCommand(err)
	}
	now := time.Now()
	all := make([]shownVersion, 0, len(versions))
	t := table{head: []string{"VERSION", "MADE", "BY", "BYTES", "DESCRIPTION"}, optional: []string{"DESCRIPTION", "BYTES"}}
	for _, v := range versions {
		all = append(all, shownVersion{
			v.Number, hex.EncodeToString(v.SHA256), v.Description, v.ArgumentHint, v.Author, api.Time{Time: v.CreatedAt}, v.SizeBytes,
		})
		t.rows = append(t.rows, []string{
			fmt.Sprint(v.Number), ago(&v.CreatedAt, now), v.Author, fmt.Sprint(v.SizeBytes), clip(orDash(v.Description), descriptionLength),
		})
	}
	return c.print(map[string]any{"filename": name, "versions": all}, func(out io.Writer) { t.write(out, c.Err) })
}

// LibraryRestore makes an older version of a command its newest.
func (c *Console) LibraryRestore(ctx context.Context, name, version string) error {
	number, err := ordinal("version", version)
	if err != nil {
		return err
	}
	outcome, row, err := c.library.Restore(ctx, name, number, nil, library.Author{Actor: c.by})
	if err != nil {
		return advise(err, library.ErrNotFound, "see cdxgate library versions %s", name)
	}
	return c.changed(outcome, row)
}

// ordinal reads the number of a version or a proposal.
func ordinal(field, text string) (int64, error) {
	number, err := strconv.ParseInt(text, 10, 64)
	if err != nil || number < 1 {
		return 0, errs.Field(field, fmt.Sprintf("want a number such as 3, got %q", text))
	}
	return number, nil
}

func unknownCommand(err error) error {
	return advise(err, library.ErrNotFound, "see cdxgate library list")
}
