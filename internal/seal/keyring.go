package seal

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Keyring holds the master keys by id; one is active and seals, all open. It is immutable once made, so it may be
// shared. It prints as [redacted].
//
// As a file it is text, one fact a line:
//
//	# comment
//	key <id, 8 hex> <base64 of 32 bytes>
//	active <id>
type Keyring struct {
	active string
	keys   map[string]*masterKey // :: key id → master key
}

const maxKeyringBytes = 64 << 10

// Generate makes a keyring with one new master key.
func Generate() (*Keyring, error) {
	var id [4]byte
	var master masterKey
	if _, err := io.ReadFull(rand.Reader, id[:]); err != nil {
		return nil, fmt.Errorf("drawing a key id: %w", err)
	}
	if _, err := io.ReadFull(rand.Reader, master[:]); err != nil {
		return nil, fmt.Errorf("drawing a master key: %w", err)
	}
	name := hex.EncodeToString(id[:])
	return &Keyring{active: name, keys: map[string]*masterKey{name: &master}}, nil
}

// Read loads a keyring file. It refuses a file that others than its owner and group can read.
//
// Errors: fs.ErrNotExist when there is none; every other error names the file and says what to do.
func Read(path string) (*Keyring, error) {
	file, err := os.Open(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		return nil, fmt.Errorf("reading the keyring: %w; it must be readable by the user that runs cdxgate (chmod 0600)", err)
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("reading the keyring: %w", err)
	}
	if info.Mode().Perm()&0o007 != 0 {
		return nil, fmt.Errorf("the keyring %s is readable by everybody; chmod 0600 it, and rotate its key if anybody else was on this machine", path)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxKeyringBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading the keyring: %w", err)
	}
	ring, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("the keyring %s is damaged: %w; put back a copy, nothing sealed opens without it", path, err)
	}
	return ring, nil
}

// Parse reads the text form. Errors name the line, never its content.
func Parse(text []byte) (*Keyring, error) {
	if len(text) > maxKeyringBytes {
		return nil, fmt.Errorf("larger than %d bytes", maxKeyringBytes)
	}
	ring := &Keyring{keys: map[string]*masterKey{}}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for number := 1; lines.Scan(); number++ {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if err := ring.parseLine(fields); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if _, ok := ring.keys[ring.active]; !ok {
		return nil, errors.New("no active key")
	}
	return ring, nil
}

func (k *Keyring) parseLine(fields []string) error {
	switch {
	case fields[0] == "key" && len(fields) == 3:
		id := fields[1]
		if !validID(id) {
			return errors.New("a key id is 8 lower-case hex characters")
		}
		if _, twice := k.keys[id]; twice {
			return errors.New("the same key id twice")
		}
		raw, err := base64.StdEncoding.Strict().DecodeString(fields[2])
		if err != nil || len(raw) != keyBytes {
			return fmt.Errorf("key %s is not the base64 of %d bytes", id, keyBytes)
		}
		k.keys[id] = (*masterKey)(raw)
	case fields[0] == "active" && len(fields) == 2:
		if k.active != "" {
			return errors.New("a second active key")
		}
		if !validID(fields[1]) {
			return errors.New("a key id is 8 lower-case hex characters")
		}
		k.active = fields[1]
	default:
		return errors.New("want “key ID BASE64” or “active ID”")
	}
	return nil
}

// Write creates the keyring file, 0600, and returns when it would survive a power cut. It never replaces a file:
// fs.ErrExist when there is one, since overwriting a keyring destroys everything sealed with it.
func (k *Keyring) Write(path string) error {
	temp, err := os.CreateTemp(filepath.Dir(path), ".keyring-*")
	if err != nil {
		return fmt.Errorf("writing the keyring: %w", err)
	}
	defer func() { _ = os.Remove(temp.Name()) }()
	if _, err := temp.Write(k.text()); err != nil {
		_ = temp.Close()
		return fmt.Errorf("writing the keyring: %w", err)
	}
	if err := temp.Sync(); err != nil {
		_ = temp.Close()
		return fmt.Errorf("writing the keyring: %w", err)
	}
	if err := temp.Close(); err != nil {
		return fmt.Errorf("writing the keyring: %w", err)
	}
	// Link, not rename: a rename would silently replace a keyring that appeared meanwhile.
	if err := os.Link(temp.Name(), path); err != nil {
		return fmt.Errorf("writing the keyring: %w", err)
	}
	return syncDir(filepath.Dir(path))
}

func (k *Keyring) text() []byte {
	var b bytes.Buffer
	b.WriteString("# cdxgate keyring. Whoever holds this file and the database can read every secret in it;\n" +
		"# without this file nobody can. Keep a copy away from this machine.\n")
	for _, id := range k.IDs() {
		fmt.Fprintf(&b, "key %s %s\n", id, base64.StdEncoding.EncodeToString(k.keys[id][:]))
	}
	fmt.Fprintf(&b, "active %s\n", k.active)
	return b.Bytes()
}

// Active returns the id of the key that seals.
func (k *Keyring) Active() string { return k.active }

// IDs returns the ids of all keys, sorted.
func (k *Keyring) IDs() []string {
	ids := make([]string, 0, len(k.keys))
	for id := range k.keys {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// Format implements fmt.Formatter.
func (k *Keyring) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[redacted]") }

func validID(id string) bool {
	return len(id) == 8 && strings.Trim(id, "0123456789abcdef") == ""
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("syncing %s: %w", path, err)
	}
	defer func() { _ = dir.Close() }()
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("syncing %s: %w", path, err)
	}
	return nil
}
