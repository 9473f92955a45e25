package cdx

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"

	"github.com/cdxgate/cdxgate/internal/api/jsondoc"
)

// addOtherUsers adds what cdx made in the homes of all other users: what it remembers about their Codex homes, and logins
// that are known to be the fleet's. Enrolments of their own they end themselves.
//
// Errors: *refusal when this user may not do that.
func (u *uninstalling) addOtherUsers() error {
	homes, err := userHomes()
	if err != nil {
		return &refusal{exit: ExitUsage, label: "usage", what: optionAllUsers + " is for root: " + err.Error(), next: "cdx uninstall"}
	}
	for _, dir := range homes {
		if filepath.Join(dir, ".codex") != u.app.home.dir {
			u.addUser(dir)
		}
	}
	return nil
}

// Names below a user's home.
const (
	codexOfUser = ".codex"
	cdxOfUser   = ".codex/.cdx"
	stateOfUser = ".codex/.cdx/state.json"
	loginOfUser = ".codex/auth.json"
)

// addUser adds what is in one home. Nothing is followed out of it: links there are its user's, and this process is root.
func (u *uninstalling) addUser(dir string) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return // there is no such home
	}
	defer func() { _ = root.Close() }()
	if info, err := root.Lstat(cdxOfUser); err != nil || !info.IsDir() {
		return
	}
	path := filepath.Join(dir, codexOfUser)
	switch known, found := fleetLoginIn(root); {
	case known:
		u.add(filepath.Join(path, "auth.json"), "the fleet's login", func() error { return removeInside(dir, loginOfUser) })
	case found:
		u.kept = append(u.kept, filepath.Join(path, "auth.json")+" stays: it is not known to be the fleet's")
	}
	u.add(filepath.Join(path, ".cdx"), "what cdx remembers about that Codex home", func() error { return removeInside(dir, cdxOfUser) })
}

// fleetLoginIn reports whether a home has a login, and whether it is the one that the gateway was seen to have.
func fleetLoginIn(root *os.Root) (known, found bool) {
	text, err := readInside(root, loginOfUser)
	if err != nil {
		return false, false
	}
	var st state
	remembered, err := readInside(root, stateOfUser)
	if err != nil || json.Unmarshal(remembered, &st) != nil {
		return false, true
	}
	l := parseLogin(text)
	return l.exists() && l.digest() == st.KnownDigest, true
}

// readInside reads a regular file, and nothing that a user might have put there to make root wait.
func readInside(root *os.Root, name string) ([]byte, error) {
	info, err := root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, os.ErrInvalid
	}
	file, err := root.OpenFile(name, os.O_RDONLY|openNonblocking, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return io.ReadAll(io.LimitReader(file, jsondoc.MaxBytes+1))
}

func removeInside(dir, name string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	return root.RemoveAll(name)
}
