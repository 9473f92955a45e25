package audit

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/cdxgate/cdxgate/db"
)

// Head is what a chain has come to, as far as that can be told without reading it: whether what was signed of it last is there.
// That every entry is what was recorded is for Verify to say.
type Head struct {
	Chain      string
	Seq        int64     // of its newest entry; 0: it is empty
	Signed     int64     // of the entry at its newest checkpoint; 0: it has none
	SignedAt   time.Time // of that checkpoint
	UnsignedAt time.Time // when the first entry behind it was recorded; zero: all are signed
	Fault      *Fault    // nil: nothing is known against it
}

// Heads returns those of all chains, sorted by name. It looks at one checkpoint and one entry of each.
func (k *Keeper) Heads(ctx context.Context) ([]Head, error) {
	held := map[string]*heldHead{}
	for _, chain := range k.chains() { // before the database is looked at, which then knows at least as much
		held[chain] = k.heldHead(chain)
	}
	rows, err := k.store.AuditHeads(ctx)
	if err != nil {
		return nil, fmt.Errorf("looking at the audit chains: %w", err)
	}
	heads := make([]Head, 0, len(rows))
	for i := range rows {
		row := &rows[i]
		head := Head{Chain: row.Name, Seq: row.Seq, Signed: row.SignedSeq, Fault: k.faultAt(row, held[row.Name])}
		if row.SignedSeq > 0 {
			head.SignedAt = row.SignedAt.UTC()
		}
		if row.Seq > row.SignedSeq {
			head.UnsignedAt = row.UnsignedAt.UTC()
		}
		heads = append(heads, head)
	}
	return heads, nil
}

// faultAt is what is wrong with the end of a chain. held is the head beside this gateway; nil: it keeps none of this chain.
func (k *Keeper) faultAt(row *db.AuditHeadsRow, held *heldHead) *Fault {
	fault := func(seq int64, format string, args ...any) *Fault {
		return &Fault{Seq: seq, What: fmt.Errorf(format, args...).Error()}
	}
	if held != nil {
		switch {
		case held.fault != nil:
			return fault(0, "%w", held.fault)
		case held.head != nil && held.head.Seq > row.Seq:
			return fault(row.Seq+1, "%s; %s says that they were there", missing(row.Seq+1, held.head.Seq), held.path)
		}
	}
	if row.SignedSeq == 0 {
		return nil
	}
	checkpoint := checkpointOf(&db.AuditCheckpoint{
		Chain: row.Name, Seq: row.SignedSeq, After: row.SignedAfter, Hash: row.SignedHash, At: row.SignedAt, KeyID: row.SignedKey, Signature: row.Signature,
	})
	switch err := checkpoint.check(k.ring); {
	case err != nil:
		return fault(row.SignedSeq, "the checkpoint at it %w", err)
	case row.SignedSeq > row.Seq:
		return fault(row.Seq+1, "%s; a checkpoint has signed that they were there", missing(row.Seq+1, row.SignedSeq))
	case row.EntryHash == nil && row.Anchor < row.SignedSeq:
		return fault(row.SignedSeq, "it was signed and is missing")
	case row.EntryHash != nil && !bytes.Equal(row.EntryHash, row.SignedHash):
		return fault(row.SignedSeq, "it is not what was signed")
	}
	return nil
}
