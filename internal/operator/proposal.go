package operator

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/library"
)

// listedProposal is a proposal as library proposals -o json shows it.
type listedProposal struct {
	ID          int64    `json:"id"`
	Filename    string   `json:"filename"`
	FQDN        string   `json:"fqdn"`
	SHA256      string   `json:"sha256"`
	BaseVersion int64    `json:"base_version"` // current when it was made; 0: there was no such command
	CreatedAt   api.Time `json:"created_at"`
	SizeBytes   int32    `json:"size_bytes"`
}

// LibraryProposals prints what hosts have pushed and nobody has decided.
func (c *Console) LibraryProposals(ctx context.Context) error {
	proposals, err := c.library.Proposals(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	all := make([]listedProposal, 0, len(proposals))
	t := table{head: []string{"ID", "NAME", "HOST", "MADE", "BYTES", "CHANGES"}, optional: []string{"BYTES", "MADE", "CHANGES"}}
	for _, p := range proposals {
		all = append(all, listedProposal{
			p.ID, p.Name, p.FQDN, hex.EncodeToString(p.SHA256), p.BaseVersion, api.Time{Time: p.CreatedAt}, p.SizeBytes,
		})
		t.rows = append(t.rows, []string{
			fmt.Sprint(p.ID), p.Name, p.FQDN, ago(&p.CreatedAt, now), fmt.Sprint(p.SizeBytes), basedOn(p.BaseVersion),
		})
	}
	if len(proposals) == 0 {
		c.say("Nothing waits to be decided")
	}
	return c.print(map[string]any{"proposals": all}, func(out io.Writer) { t.write(out, c.Err) })
}

func basedOn(version int64) string {
	if version == 0 {
		return "new"
	}
	return fmt.Sprintf("version %d", version)
}

// shownProposal is a proposal as library proposal -o json shows it.
type shownProposal struct {
	listedProposal
	Description  *string  `json:"description"`
	ArgumentHint *string  `json:"argument_hint"`
	Decision     *string  `json:"decision"` // accepted, discarded; null: it waits
	DecidedBy    *string  `json:"decided_by"`
	DecidedAt    api.Time `json:"decided_at"`
	Prompt       string   `json:"prompt"`
}

// LibraryProposal prints the text of a proposal, after words about it.
func (c *Console) LibraryProposal(ctx context.Context, id string) error {
	row, err := c.proposal(ctx, id)
	if err != nil {
		return err
	}
	p := row.LibraryProposal
	if c.JSON {
		shown := shownProposal{
			listedProposal: listedProposal{
				p.ID, p.Name, row.FQDN, hex.EncodeToString(p.SHA256), p.BaseVersion, api.Time{Time: p.CreatedAt}, int32(len(p.Content)), //nolint:gosec // at most 256 KiB
			},
			Description: p.Description, ArgumentHint: p.ArgumentHint,
			Decision: p.Decision, DecidedBy: p.DecidedBy, DecidedAt: timeOrNull(p.DecidedAt), Prompt: p.Content,
		}
		return c.print(map[string]any{"proposal": shown}, nil)
	}
	state := "waits"
	if p.Decision != nil {
		state = fmt.Sprintf("%s by %s, %s", *p.Decision, orDash(p.DecidedBy), moment(*p.DecidedAt))
	}
	for _, fact := range [][2]string{
		{"proposal", fmt.Sprintf("%d, %s", p.ID, state)},
		{"command", p.Name},
		{"host", row.FQDN},
		{"made", moment(p.CreatedAt)},
		{"changes", basedOn(p.BaseVersion)},
		{"says", orDash(p.Description)},
		{"arguments", orDash(p.ArgumentHint)},
	} {
		c.say("%-9s %s", fact[0], visible(fact[1], ""))
	}
	c.say("")
	return c.printText(p.Content)
}

func (c *Console) proposal(ctx context.Context, id string) (*db.ProposalGetRow, error) {
	number, err := ordinal("id", id)
	if err != nil {
		return nil, err
	}
	row, err := c.library.Proposal(ctx, number)
	return row, unknownProposal(err)
}

func unknownProposal(err error) error {
	return advise(err, library.ErrNoProposal, "see cdxgate library proposals")
}

// LibraryAcceptOptions are the flags of library accept.
type LibraryAcceptOptions struct {
	Force bool // although the command has changed since
}

// LibraryAccept makes a proposal the current text of its command.
func (c *Console) LibraryAccept(ctx context.Context, id string, opts LibraryAcceptOptions) error {
	row, err := c.proposal(ctx, id)
	if err != nil {
		return err
	}
	p := row.LibraryProposal
	var over library.Base
	if opts.Force {
		over = library.Whatever
	}
	current, err := c.library.Accept(ctx, p.ID, over, library.Author{Actor: c.by})
	if errors.Is(err, library.ErrProposalStale) {
		return advise(err, library.ErrProposalStale,
			"compare cdxgate library show %s with cdxgate library proposal %d, then accept it with --force or discard it", p.Name, p.ID)
	}
	if err != nil {
		return unknownProposal(err)
	}
	c.say("✓ %s is what %s proposed, version %d; %s", p.Name, row.FQDN, current.LibraryFile.Version, hostsGetIt)
	return c.print(map[string]any{"accepted": p.ID, "command": shownRow(current)}, func(io.Writer) {})
}

// LibraryDiscard closes a proposal; its text can be read for 90 days more.
func (c *Console) LibraryDiscard(ctx context.Context, id string) error {
	row, err := c.proposal(ctx, id)
	if err != nil {
		return err
	}
	if err := c.library.Discard(ctx, row.LibraryProposal.ID, library.Author{Actor: c.by}); err != nil {
		return unknownProposal(err)
	}
	c.say("✓ proposal %d, %s of %s, is discarded", row.LibraryProposal.ID, row.LibraryProposal.Name, row.FQDN)
	return c.print(map[string]int64{"discarded": row.LibraryProposal.ID}, func(io.Writer) {})
}
