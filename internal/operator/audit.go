package operator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/errs"
)

// AuditTailOptions of AuditTail.
type AuditTailOptions struct {
	Number int // of entries to begin with, 0 to 10000
	Follow bool
}

const (
	maxTail     = 10_000
	followEvery = time.Second
)

// AuditTail prints the newest entries, oldest first, and with Follow those that come, until ctx ends. As JSON it is one
// entry a line.
func (c *Console) AuditTail(ctx context.Context, opts AuditTailOptions) error {
	if opts.Number < 0 || opts.Number > maxTail {
		return errs.Field("lines", fmt.Sprintf("want a number from 0 to %d, got %d", maxTail, opts.Number))
	}
	entries, follower, err := c.core.Audit.Newest(ctx, int32(opts.Number))
	if err != nil {
		return err
	}
	for {
		if err := c.printEntries(entries); err != nil || !opts.Follow {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(followEvery):
		}
		switch entries, err = follower.Next(ctx); {
		case errors.Is(err, context.Canceled): // interrupted while reading
			return nil
		case err != nil:
			return err
		}
	}
}

func (c *Console) printEntries(entries []audit.Recorded) error {
	var text bytes.Buffer
	for i := range entries {
		if c.JSON {
			if err := audit.JSONLine(&text, &entries[i]); err != nil {
				return err
			}
			text.WriteByte('\n')
			continue
		}
		e := &entries[i]
		from := "-"
		if e.IP != nil {
			from = *e.IP
		}
		at, _, _ := strings.Cut(e.At, ".")
		line := fmt.Sprintf("%sZ  %s %s  %s  %s  %s", at, e.ActorKind, e.Actor, from, e.Action, e.Details)
		text.WriteString(visible(line, "") + "\n")
	}
	if _, err := c.Out.Write(text.Bytes()); err != nil {
		return fmt.Errorf("printing entries: %w", err)
	}
	return nil
}

// AuditVerify reads the whole trail and says of each chain whether it is what was recorded. Errors: audit.ErrBroken.
func (c *Console) AuditVerify(ctx context.Context) error {
	found, err := c.core.Audit.Verify(ctx)
	if err != nil {
		return err
	}
	if err := c.print(found, func(out io.Writer) { c.tellVerification(out, found) }); err != nil {
		return err
	}
	for _, chain := range found.Chains {
		if chain.Fault != nil {
			return audit.ErrBroken.WithCause(fmt.Errorf("audit chain %s, entry %d: %s", chain.Chain, chain.Fault.Seq, chain.Fault.What))
		}
	}
	return nil
}

func (c *Console) tellVerification(out io.Writer, found *audit.Verification) {
	t := table{head: []string{"CHAIN", "ENTRIES", "FROM", "TO", "SIGNED", "STATE"}, optional: []string{"FROM", "TO"}}
	for _, chain := range found.Chains {
		state := "whole"
		if chain.Fault != nil {
			state = "BROKEN"
		}
		first := "-"
		if chain.Entries > 0 {
			first = strconv.FormatInt(chain.Anchor+1, 10)
		}
		t.rows = append(t.rows, []string{
			chain.Chain, strconv.FormatInt(chain.Entries, 10), first, strconv.FormatInt(chain.Last, 10), strconv.FormatInt(chain.Signed, 10), state,
		})
	}
	t.write(out, c.Err)
	for _, chain := range found.Chains {
		if chain.Fault != nil {
			c.say("✗ %s, entry %d: %s", chain.Chain, chain.Fault.Seq, visible(chain.Fault.What, ""))
		}
		for _, note := range chain.Notes {
			c.say("! %s: %s", chain.Chain, visible(note, ""))
		}
	}
	if found.Unchained > 0 {
		c.say("! %d entries are from before there were chains; nothing protects them", found.Unchained)
	}
}

// AuditExportOptions of AuditExport.
type AuditExportOptions struct {
	Format string // jsonl or syslog
}

// AuditExport prints every entry there is.
func (c *Console) AuditExport(ctx context.Context, opts AuditExportOptions) error {
	switch opts.Format {
	case "jsonl":
		return c.core.Audit.Export(ctx, c.Out, audit.JSONLine)
	case "syslog":
		name, err := os.Hostname()
		if err != nil {
			name = ""
		}
		return c.core.Audit.Export(ctx, c.Out, audit.SyslogLine(name))
	}
	return errs.Field("format", "want jsonl or syslog")
}
