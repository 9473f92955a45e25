package audit

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/seal"
)

// ErrBroken is a chain that is not what was signed.
var ErrBroken = errs.New(errs.Invalid, "audit_broken", "The audit trail is not what was recorded")

// Keeper signs what the chains come to, and verifies them. It is safe for concurrent use, in any number of processes.
type Keeper struct {
	store *db.Store
	ring  *seal.Keyring
	dir   string
	own   string // the data directory's chain; empty: it has none yet
	now   func() time.Time
}

// NewKeeper makes the keeper of a data directory. now is the clock; nil: the system's.
//
// Errors: a chain-id that is damaged.
func NewKeeper(store *db.Store, ring *seal.Keyring, dataDir string, now func() time.Time) (*Keeper, error) {
	if now == nil {
		now = time.Now
	}
	own, err := readChain(Dir(dataDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return &Keeper{store: store, ring: ring, dir: Dir(dataDir), own: own, now: now}, nil
}

// chains are those whose heads this data directory keeps: its own, and the console's, which every gateway keeps.
func (k *Keeper) chains() []string {
	if k.own == "" {
		return []string{db.ChainConsole}
	}
	return []string{k.own, db.ChainConsole}
}

// Sign makes a checkpoint of each chain that has grown since its last, and keeps it in a file beside the gateway. As a job
// it has never more to do at once: changed is always 0.
//
// Errors: ErrBroken when a chain is not what was signed before. Then nothing more is signed, and the file stays what it
// is: to sign on would bury the traces.
func (k *Keeper) Sign(ctx context.Context) (changed int, err error) {
	for _, chain := range k.chains() {
		err = errors.Join(err, k.signChain(ctx, chain))
	}
	return 0, err
}

func (k *Keeper) signChain(ctx context.Context, chain string) error {
	state, err := k.store.AuditChainState(ctx, chain)
	if err != nil && !db.IsNoRows(err) {
		return fmt.Errorf("looking at the audit chain %s: %w", chain, err)
	}
	head, err := k.head(chain)
	if err != nil {
		return err
	}
	if head == nil && state.Seq == 0 && state.Signed == 0 || head != nil && head.Seq == state.Seq && head.Seq == state.Signed {
		return nil
	}
	return k.store.WithTx(ctx, func(q *db.Queries) error { return k.signLocked(ctx, q, chain) })
}

// head is the signed head beside the gateway; nil: there is none.
func (k *Keeper) head(chain string) (*signed, error) {
	head, err := readHead(k.dir, chain)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, ErrBroken.WithCause(fmt.Errorf("%w; if you know why, move it away", err))
	}
	if err := head.check(k.ring); err != nil {
		return nil, ErrBroken.WithCause(fmt.Errorf("%s %w", headPath(k.dir, chain), err))
	}
	return head, nil
}

// signLocked signs while nothing is appended and no other process signs the same chain.
func (k *Keeper) signLocked(ctx context.Context, q *db.Queries, chain string) error {
	now, err := q.AuditChainHold(ctx, chain)
	if db.IsNoRows(err) {
		return ErrBroken.WithCause(fmt.Errorf("the database has no audit chain %s any more", chain))
	}
	if err != nil {
		return fmt.Errorf("looking at the audit chain %s: %w", chain, err)
	}
	var newest *signed
	row, err := q.AuditCheckpointNewest(ctx, chain)
	switch {
	case err == nil:
		newest = checkpointOf(&row)
		if err := newest.check(k.ring); err != nil {
			return broken(chain, newest.Seq, "the checkpoint at it %w", err)
		}
	case !db.IsNoRows(err):
		return fmt.Errorf("reading the newest checkpoint of %s: %w", chain, err)
	}
	head, err := k.head(chain) // again: another process may have been faster
	if err != nil {
		return err
	}
	for _, before := range []*signed{newest, head} {
		if err := k.extends(ctx, q, now, before); err != nil {
			return err
		}
	}
	if head != nil && head.Seq > seqOf(newest) { // written when its row was lost, as with the power
		if err := insert(ctx, q, head); err != nil {
			return err
		}
		newest = head
	}
	if now.Seq > seqOf(newest) {
		statement := Statement{After: seqOf(newest), At: formatTime(k.now()), Chain: chain, Hash: hex.EncodeToString(now.Hash), Purpose: purposeCheckpoint, Seq: now.Seq}
		if newest, err = sign(k.ring, statement); err != nil {
			return err
		}
		if err := insert(ctx, q, newest); err != nil {
			return err
		}
	}
	if newest == nil || head != nil && head.Seq == newest.Seq {
		return nil
	}
	// Before the commit: the file may know more than the database, never less.
	return writeHead(k.dir, newest)
}

// extends checks that a chain still holds what was signed of it.
func (k *Keeper) extends(ctx context.Context, q *db.Queries, now db.AuditChain, before *signed) error {
	if before == nil {
		return nil
	}
	hash, err := q.AuditEntryHash(ctx, db.AuditEntryHashParams{Chain: now.Name, Seq: before.Seq})
	if db.IsNoRows(err) {
		anchor, err := q.AuditAnchorOf(ctx, now.Name)
		if err == nil && anchor.Seq >= before.Seq && anchorOf(&anchor).check(k.ring) == nil {
			return nil // retired since
		}
		return broken(now.Name, before.Seq, "it was signed and is missing")
	}
	switch {
	case err != nil:
		return fmt.Errorf("looking at the audit chain %s: %w", now.Name, err)
	case hex.EncodeToString(hash) != before.Hash:
		return broken(now.Name, before.Seq, "it is not what was signed")
	case now.Seq < before.Seq:
		return broken(now.Name, before.Seq, "it was signed and is behind the chain's head")
	}
	return nil
}

func broken(chain string, seq int64, format string, args ...any) error {
	what := fmt.Errorf(format, args...)
	return ErrBroken.WithCause(fmt.Errorf("audit chain %s, entry %d: %w; nothing more of it is signed; run cdxgate audit verify", chain, seq, what))
}

func insert(ctx context.Context, q *db.Queries, s *signed) error {
	row, err := s.row()
	if err != nil {
		return err
	}
	if err := q.AuditCheckpointInsert(ctx, row); err != nil {
		return fmt.Errorf("storing a checkpoint of %s: %w", s.Chain, err)
	}
	return nil
}

func seqOf(s *signed) int64 {
	if s == nil {
		return 0
	}
	return s.Seq
}

// retireBatch bounds how many entries are deleted at once: it is about as many as a busy gateway records between two
// checkpoints.
const retireBatch = 10_000

// Retire deletes entries that are older than age, up to a checkpoint of each chain, and has the chain begin there. It
// works on a batch of one chain and returns how many entries that was.
func (k *Keeper) Retire(ctx context.Context, age time.Duration) (retired int, err error) {
	names, err := k.store.AuditChainNames(ctx)
	if err != nil {
		return 0, fmt.Errorf("listing the audit chains: %w", err)
	}
	for _, chain := range names {
		if retired, err = k.retireChain(ctx, chain, k.now().Add(-age)); err != nil || retired > 0 {
			return retired, err
		}
	}
	return 0, nil
}

func (k *Keeper) retireChain(ctx context.Context, chain string, before time.Time) (retired int, err error) {
	err = k.store.WithTx(ctx, func(q *db.Queries) error {
		anchor, err := q.AuditAnchorOf(ctx, chain)
		if err != nil && !db.IsNoRows(err) {
			return fmt.Errorf("looking at the audit chain %s: %w", chain, err)
		}
		row, err := q.AuditCheckpointRetirable(ctx, db.AuditCheckpointRetirableParams{Chain: chain, Before: before, After: anchor.Seq, Batch: retireBatch})
		if db.IsNoRows(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("looking for old entries of %s: %w", chain, err)
		}
		checkpoint := checkpointOf(&row)
		if err := checkpoint.check(k.ring); err != nil {
			return broken(chain, row.Seq, "the checkpoint at it %w", err)
		}
		at := k.now().UTC().Truncate(time.Microsecond)
		signed, err := sign(k.ring, Statement{At: formatTime(at), Chain: chain, Hash: checkpoint.Hash, Purpose: purposeAnchor, Seq: row.Seq})
		if err != nil {
			return err
		}
		count, err := q.AuditRetire(ctx, db.AuditRetireParams{Chain: chain, Upto: row.Seq, SignedAt: at, SignedBy: signed.Key, Signature: signed.Signature})
		if err != nil {
			return fmt.Errorf("retiring entries of %s: %w", chain, err)
		}
		retired = int(count)
		return nil
	})
	return retired, err
}
