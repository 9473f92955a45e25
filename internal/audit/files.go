package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/google/uuid"

	"github.com/cdxgate/cdxgate/db"
)

// What a gateway keeps of the trail outside the database, in data_dir/audit.
const (
	chainFile    = "chain-id" // the name of its chain
	headFile     = "head.json"
	consoleFile  = "head-console.json"
	maxFileBytes = 4 << 10
)

// Dir is where a data directory keeps what belongs to the trail.
func Dir(dataDir string) string { return filepath.Join(dataDir, "audit") }

// OwnChain returns the name of a data directory's chain, a UUID that is drawn the first time.
func OwnChain(dataDir string) (string, error) {
	dir := Dir(dataDir)
	name, err := readChain(dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return name, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("naming the audit chain: %w", err)
	}
	// Link, not rename: of two processes that begin at once one names the chain.
	if err := write(dir, chainFile, []byte(id.String()+"\n"), os.Link); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	return readChain(dir)
}

func readChain(dir string) (string, error) {
	path := filepath.Join(dir, chainFile)
	text, err := read(path)
	if err != nil {
		return "", err
	}
	id, err := uuid.Parse(string(bytes.TrimSpace(text)))
	if err != nil {
		return "", fmt.Errorf("%s is damaged: it holds the UUID of this data directory's audit chain; put back a copy, or remove it to begin another chain", path)
	}
	return id.String(), nil
}

// headPath is the file of a chain's signed head.
func headPath(dir, chain string) string {
	if chain == db.ChainConsole {
		return filepath.Join(dir, consoleFile)
	}
	return filepath.Join(dir, headFile)
}

// readHead returns the signed head of a chain as it is beside the gateway. Errors: fs.ErrNotExist; others name the file.
func readHead(dir, chain string) (*signed, error) {
	path := headPath(dir, chain)
	text, err := read(path)
	if err != nil {
		return nil, err
	}
	var head signed
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&head); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", path, err)
	}
	if head.Chain != chain || head.Purpose != purposeCheckpoint {
		return nil, fmt.Errorf("%s is of another chain, %s", path, head.Chain)
	}
	return &head, nil
}

func writeHead(dir string, head *signed) error {
	text, err := plainJSON(head)
	if err != nil {
		return err
	}
	return write(dir, filepath.Base(headPath(dir, head.Chain)), append(text, '\n'), os.Rename)
}

func read(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxFileBytes+1))
	if err == nil && len(text) > maxFileBytes {
		err = fmt.Errorf("%s is larger than %d bytes", path, maxFileBytes)
	}
	return text, err
}

// write makes a file, 0600 and whole or not at all, and returns when it would survive a power cut. put is os.Rename, or
// os.Link to replace nothing.
func write(dir, name string, content []byte, put func(from, to string) error) error {
	if err := makeDir(dir); err != nil {
		return fmt.Errorf("making %s: %w", dir, err)
	}
	path := filepath.Join(dir, name)
	temp, err := os.CreateTemp(dir, ".audit-*")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	defer func() { _ = os.Remove(temp.Name()) }()
	_, err = temp.Write(content)
	if err = errors.Join(err, temp.Sync(), temp.Close(), sameOwner(temp.Name(), dir)); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := put(temp.Name(), path); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return syncDir(dir)
}

func makeDir(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return errors.Join(err, sameOwner(dir, filepath.Dir(dir)))
}

// sameOwner makes a file that root has just made belong to whoever the directory belongs to: a verb that root runs once
// must not lock the gateway's user out.
func sameOwner(path, dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 && owner.Uid != 0 {
		return os.Lchown(path, int(owner.Uid), int(owner.Gid))
	}
	return nil
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("syncing %s: %w", path, err)
	}
	return errors.Join(dir.Sync(), dir.Close())
}
