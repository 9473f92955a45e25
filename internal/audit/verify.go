package audit

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/cdxgate/cdxgate/db"
)

// Fault is the first place where a chain is not what was recorded.
type Fault struct {
	Seq  int64  `json:"seq"` // the first entry that may be bad; 0: the chain as a whole
	What string `json:"what"`
}

// Report is what became of one chain.
type Report struct {
	Chain   string   `json:"chain"`
	Entries int64    `json:"entries"` // found good
	Last    int64    `json:"last"`    // number of the last good one
	Signed  int64    `json:"signed"`  // up to where checkpoints vouch for them
	Anchor  int64    `json:"anchor"`  // up to where entries were retired; 0: none were
	Fault   *Fault   `json:"fault"`   // nil: the chain is whole
	Notes   []string `json:"notes,omitempty"`
}

// Verification is what became of all.
type Verification struct {
	Chains    []Report `json:"chains"`
	Unchained int64    `json:"unchained"` // entries from before there were chains, which nothing protects
}

// Whole reports whether no chain has a fault.
func (v *Verification) Whole() bool {
	return !slices.ContainsFunc(v.Chains, func(r Report) bool { return r.Fault != nil })
}

// Verify reads the whole trail, as it is at one moment, and compares it with what was signed: by checkpoints in the
// database, and by the heads beside this gateway.
func (k *Keeper) Verify(ctx context.Context) (*Verification, error) {
	heads := map[string]*heldHead{}
	for _, chain := range k.chains() { // before the database is looked at, which then knows at least as much
		heads[chain] = k.heldHead(chain)
	}
	result := &Verification{}
	err := k.store.WithSnapshot(ctx, func(q *db.Queries) (err error) {
		if result.Unchained, err = q.AuditEntryCountUnchained(ctx); err != nil {
			return fmt.Errorf("counting old entries: %w", err)
		}
		chains, err := q.AuditChainList(ctx)
		if err != nil {
			return fmt.Errorf("listing the audit chains: %w", err)
		}
		for _, chain := range k.chains() {
			if !slices.ContainsFunc(chains, func(c db.AuditChainListRow) bool { return c.Name == chain }) {
				chains = append(chains, db.AuditChainListRow{Name: chain, Seq: -1})
			}
		}
		for _, chain := range chains {
			w := walk{keeper: k, q: q, head: heads[chain.Name], report: Report{Chain: chain.Name}}
			if err := w.chain(ctx, chain); err != nil {
				return fmt.Errorf("reading the audit chain %s: %w", chain.Name, err)
			}
			result.Chains = append(result.Chains, w.report)
		}
		return nil
	})
	return result, err
}

// heldHead is the signed head of a chain as it lies beside this gateway.
type heldHead struct {
	path  string
	head  *signed // nil: there is none, or it is no good
	fault error   // what is wrong with it; nil: nothing
}

func (k *Keeper) heldHead(chain string) *heldHead {
	held := &heldHead{path: headPath(k.dir, chain)}
	head, err := readHead(k.dir, chain)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		held.fault = err
	default:
		if err := head.check(k.ring); err != nil {
			held.fault = fmt.Errorf("%s %w", held.path, err)
		}
		held.head = head
	}
	return held
}

// walk goes along one chain until its end or its first fault.
type walk struct {
	keeper *Keeper
	q      *db.Queries
	head   *heldHead // nil: this gateway keeps none of this chain
	report Report

	seq    int64  // of the entry before
	hash   []byte // of the entry before
	signed int64  // of the checkpoint before
}

const pageRows = 1000

func (w *walk) chain(ctx context.Context, now db.AuditChainListRow) error {
	if w.head != nil && w.head.fault != nil {
		return w.fault(0, "%s", w.head.fault.Error())
	}
	if err := w.start(ctx); err != nil || w.report.Fault != nil {
		return err
	}
	for row := int64(0); ; {
		entries, err := w.q.AuditEntryList(ctx, db.AuditEntryListParams{Chain: w.report.Chain, Seq: w.seq, ID: row, MaxRows: pageRows})
		if err != nil {
			return err
		}
		for i := range entries {
			entry := &entries[i]
			if err := w.entry(entry); err != nil || w.report.Fault != nil {
				return err
			}
			row = entry.ID
		}
		if len(entries) < pageRows {
			return w.end(ctx, now)
		}
	}
}

// start finds where the chain begins.
func (w *walk) start(ctx context.Context) error {
	w.hash = make([]byte, 32)
	row, err := w.q.AuditAnchorOf(ctx, w.report.Chain)
	if db.IsNoRows(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := anchorOf(&row).check(w.keeper.ring); err != nil {
		return w.fault(row.Seq, "the anchor at it %w", err)
	}
	_, err = w.q.AuditCheckpointAt(ctx, db.AuditCheckpointAtParams{Chain: w.report.Chain, Seq: row.Seq})
	if db.IsNoRows(err) {
		return w.fault(row.Seq, "the checkpoint at it is missing, where the chain begins since older entries were retired")
	}
	w.seq, w.hash, w.signed = row.Seq, row.Hash, row.Seq
	w.report.Anchor, w.report.Last, w.report.Signed = row.Seq, row.Seq, row.Seq
	return err
}

// entry looks at the next one.
func (w *walk) entry(row *db.AuditEntryListRow) error {
	switch {
	case row.Seq == w.seq && w.report.Entries > 0:
		return w.fault(row.Seq, "there are two entries of this number")
	case row.Seq <= w.report.Anchor:
		return w.fault(row.Seq, "it was retired, and is here again")
	case row.Seq != w.seq+1:
		return w.fault(w.seq+1, "%s", missing(w.seq+1, row.Seq-1))
	}
	own, err := linkOf(w.report.Chain, row).hash()
	if err != nil {
		return err
	}
	if !bytes.Equal(own, row.Hash) {
		return w.fault(row.Seq, "it was changed: its hash is another one")
	}
	if !bytes.Equal(row.Prev, w.hash) {
		return w.fault(max(w.seq, w.report.Anchor+1), "it was changed, or the one after it: they do not fit together")
	}
	if held := w.held(); held != nil && held.Seq == row.Seq && held.Hash != hex.EncodeToString(row.Hash) {
		return w.rewritten(row.Seq, w.head.path)
	}
	if row.SignedSeq != 0 {
		w.checkpoint(row)
	}
	if w.report.Fault == nil {
		w.seq, w.hash = row.Seq, row.Hash
		w.report.Entries++
		w.report.Last, w.report.Signed = w.seq, w.signed
	}
	return nil
}

// checkpoint compares an entry with what was signed of it.
func (w *walk) checkpoint(row *db.AuditEntryListRow) {
	checkpoint := checkpointOf(&db.AuditCheckpoint{
		Chain: w.report.Chain, Seq: row.SignedSeq, After: row.SignedAfter, Hash: row.SignedHash, At: row.SignedAt,
		KeyID: row.SignedKey, Signature: row.Signature,
	})
	switch err := checkpoint.check(w.keeper.ring); {
	case err != nil:
		_ = w.fault(row.Seq, "the checkpoint at it %w", err)
	case !bytes.Equal(row.SignedHash, row.Hash):
		_ = w.rewritten(row.Seq, "the checkpoint at it")
	case row.SignedAfter != w.signed:
		_ = w.fault(row.SignedAfter, "the checkpoint at it is missing")
	default:
		w.signed = row.Seq
	}
}

// end compares where the entries end with where they should.
func (w *walk) end(ctx context.Context, now db.AuditChainListRow) error {
	beyond, err := w.q.AuditCheckpointAfter(ctx, db.AuditCheckpointAfterParams{Chain: w.report.Chain, Seq: w.seq})
	if err != nil && !db.IsNoRows(err) {
		return err
	}
	held := w.held()
	switch {
	case err == nil && checkpointOf(&beyond).check(w.keeper.ring) != nil:
		return w.fault(beyond.Seq, "the checkpoint at it %w", errForged)
	case err == nil:
		return w.fault(w.seq+1, "%s; a checkpoint has signed that they were there", missing(w.seq+1, beyond.Seq))
	case held != nil && held.Seq > w.seq:
		return w.fault(w.seq+1, "%s; %s says that they were there", missing(w.seq+1, held.Seq), w.head.path)
	case now.Seq > w.seq:
		return w.fault(w.seq+1, "%s", missing(w.seq+1, now.Seq))
	case now.Seq < 0:
		return w.fault(w.seq, "the chain has no head")
	case now.Seq < w.seq:
		return w.fault(now.Seq+1, "it was put in behind the head of the chain")
	case !bytes.Equal(now.Hash, w.hash):
		return w.fault(w.seq, "the head of the chain has another hash")
	case held != nil && held.Seq > w.signed:
		return w.fault(held.Seq, "the checkpoint at it is missing; %s has it", w.head.path)
	case held != nil && held.Seq < w.signed:
		w.note("%s is older than the newest checkpoint: it was put back, or another gateway shares this chain", w.head.path)
	case held == nil && w.head != nil && w.signed > 0:
		w.note("there is no %s: if the newest entries were removed together with their checkpoints, nothing shows it", w.head.path)
	}
	return nil
}

// held is the head beside this gateway, if there is one.
func (w *walk) held() *signed {
	if w.head == nil {
		return nil
	}
	return w.head.head
}

// rewritten is a stretch whose end is not what was signed: any of its entries may be bad.
func (w *walk) rewritten(seq int64, by string) error {
	return w.fault(w.signed+1, "entries %d to %d are not those that were recorded: %s has signed others", w.signed+1, seq, by)
}

func (w *walk) fault(seq int64, format string, args ...any) error {
	w.report.Fault = &Fault{Seq: seq, What: fmt.Errorf(format, args...).Error()}
	return nil
}

func (w *walk) note(format string, args ...any) {
	w.report.Notes = append(w.report.Notes, fmt.Sprintf(format, args...))
}

func missing(first, last int64) string {
	if first >= last {
		return fmt.Sprintf("entry %d is missing", first)
	}
	return fmt.Sprintf("entries %d to %d are missing", first, last)
}
