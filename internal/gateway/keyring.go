package gateway

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/seal"
)

// checkText is what a seal_key row seals. Its value says nothing; that it opens says everything.
const checkText = "cdxgate keyring check"

// establishKeyring pairs the keyring file with the database, one gateway at a time. A database that was sealed before
// is opened only with a keyring that holds each of its keys; a fresh one is sealed with the file's key, and without a
// file one is generated, which is on disk before the first row is sealed with it.
func establishKeyring(ctx context.Context, store *db.Store, cfg Config) (*seal.Keyring, error) {
	var ring *seal.Keyring
	err := store.WithTx(ctx, func(q *db.Queries) error {
		if err := q.SealKeyLock(ctx); err != nil {
			return fmt.Errorf("looking up the database's keys: %w", err)
		}
		known, err := q.SealKeyList(ctx)
		if err != nil {
			return fmt.Errorf("looking up the database's keys: %w", err)
		}
		ring, err = seal.Read(cfg.KeyringFile)
		switch {
		case errors.Is(err, fs.ErrNotExist) && len(known) > 0:
			return fmt.Errorf("this database was sealed with key %s, but there is no keyring at %s; copy that keyring there",
				known[len(known)-1].ID, cfg.KeyringFile)
		case errors.Is(err, fs.ErrNotExist):
			if ring, err = generate(cfg); err != nil {
				return err
			}
		case err != nil:
			return err
		}
		return pair(ctx, q, ring, known, cfg.KeyringFile)
	})
	return ring, err
}

func generate(cfg Config) (*seal.Keyring, error) {
	ring, err := seal.Generate()
	if err != nil {
		return nil, err
	}
	if err := ring.Write(cfg.KeyringFile); err != nil {
		return nil, err
	}
	if err := giveToOwner(cfg.KeyringFile, cfg.DataDir); err != nil {
		return nil, err
	}
	cfg.Logger.Warn("generated a keyring; without it no secret in the database opens again: copy it to a safe place",
		"file", cfg.KeyringFile, "key", ring.Active())
	cfg.Progress("generated the keyring " + cfg.KeyringFile + "; copy it to a safe place")
	return ring, nil
}

// giveToOwner makes a file that root has just made belong to whoever the data directory belongs to: a verb that root
// runs once must not lock the gateway's user out.
func giveToOwner(path, dataDir string) error {
	info, err := os.Stat(dataDir)
	if err != nil {
		return fmt.Errorf("reading the data directory: %w", err)
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 && owner.Uid != 0 {
		if err := os.Lchown(path, int(owner.Uid), int(owner.Gid)); err != nil {
			return fmt.Errorf("giving %s to the gateway's user: %w", path, err)
		}
	}
	return nil
}

// pair checks every key the database knows and makes the active one known.
func pair(ctx context.Context, q *db.Queries, ring *seal.Keyring, known []db.SealKey, file string) error {
	activeKnown := false
	for _, key := range known {
		plain, err := ring.Open(checkPlace(key.ID), key.CheckSealed)
		if err != nil || string(plain) != checkText {
			return fmt.Errorf("this database was sealed with key %s, which the keyring %s does not hold; copy that keyring there", key.ID, file)
		}
		activeKnown = activeKnown || key.ID == ring.Active()
	}
	if activeKnown {
		return nil
	}
	sealed, err := ring.Seal(checkPlace(ring.Active()), []byte(checkText))
	if err != nil {
		return fmt.Errorf("sealing the check value: %w", err)
	}
	if err := q.SealKeyInsert(ctx, db.SealKeyInsertParams{ID: ring.Active(), CheckSealed: sealed}); err != nil {
		return fmt.Errorf("recording key %s: %w", ring.Active(), err)
	}
	return audit.Record(ctx, q, audit.Entry{
		At: time.Now().UTC(), Actor: audit.Gateway, Action: audit.ActionKeyringEstablish,
		Details: audit.Details{"key": ring.Active()},
	})
}

func checkPlace(id string) seal.Place {
	return seal.Place{Table: "seal_key", Column: "check_sealed", Row: id}
}
