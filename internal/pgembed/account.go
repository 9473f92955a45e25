package pgembed

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is the operating system's user that runs PostgreSQL.
type account struct {
	uid, gid int
	name     string // for messages: the login name, else the number
	switches bool   // we are root and must become it
}

// credential returns what a child needs to become the account; nil when we are it already.
func (a account) credential() *syscall.Credential {
	if !a.switches {
		return nil
	}
	return &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)} //nolint:gosec // from uid_t and gid_t; no groups
}

// chooseAccount decides who runs PostgreSQL. PostgreSQL refuses to be root, so root finds somebody else: the configured
// user; else who owns the cluster; else who owns the data directory, since that is who runs the gateway on other days; else
// postgres; else nobody. Everybody else is himself.
func chooseAccount(configured string, dir layout) (account, error) {
	self := os.Geteuid()
	clusterOwner, err := lookAt(dir.data())
	if err != nil {
		return account{}, err
	}
	if self != 0 {
		if clusterOwner != nil && clusterOwner.uid != self {
			return account{}, fmt.Errorf("the database cluster in %s belongs to %s; run this as %s or as root",
				dir.data(), clusterOwner.name, clusterOwner.name)
		}
		return account{uid: self, gid: os.Getegid(), name: userName(self)}, nil
	}
	if configured != "" {
		return namedAccount(configured)
	}
	if clusterOwner != nil && clusterOwner.uid != 0 {
		return *clusterOwner, nil
	}
	dirOwner, err := lookAt(dir.parent)
	if err != nil {
		return account{}, err
	}
	if dirOwner != nil && dirOwner.uid != 0 {
		return *dirOwner, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		if acct, err := namedAccount(name); err == nil {
			return acct, nil
		}
	}
	return account{}, errors.New("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody; name one in the configuration")
}

// namedAccount finds a user by login name or number.
func namedAccount(name string) (account, error) {
	entry, err := user.Lookup(name)
	if err != nil {
		if entry, err = user.LookupId(name); err != nil {
			return account{}, fmt.Errorf("there is no user %q on this machine; name another one to run PostgreSQL", name)
		}
	}
	uid, uidErr := strconv.Atoi(entry.Uid)
	gid, gidErr := strconv.Atoi(entry.Gid)
	if err := errors.Join(uidErr, gidErr); err != nil {
		return account{}, fmt.Errorf("looking up user %q: %w", name, err)
	}
	if uid == 0 {
		return account{}, fmt.Errorf("PostgreSQL refuses to run as %s, which is root; name another user to run it", name)
	}
	return account{uid: uid, gid: gid, name: entry.Username, switches: true}, nil
}

// lookAt returns the owner of path as root would become it; nil when path does not exist.
func lookAt(path string) (*account, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // no file, no owner, no fault
	}
	if err != nil {
		return nil, fmt.Errorf("finding out who owns the database: %w", err)
	}
	uid, gid := ownerOf(info)
	return &account{uid: uid, gid: gid, name: userName(uid), switches: true}, nil
}

// userName names a user for people. The number stands in for a user whom only the system's name service knows.
func userName(uid int) string {
	if entry, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return entry.Username
	}
	return "uid " + strconv.Itoa(uid)
}

// ownerName names the owner of a file, or of the nearest directory above it that we can see.
func ownerName(path string) string {
	for {
		if info, err := os.Stat(path); err == nil {
			uid, _ := ownerOf(info)
			return userName(uid)
		}
		path = filepath.Dir(path)
	}
}

// blockedAt returns the first directory above dir that acct may not pass through, and its mode; "" when there is none.
// It judges by the mode alone, so ask it only once passing through has failed.
func blockedAt(dir string, acct account) (path string, mode fs.FileMode) {
	if parent := filepath.Dir(dir); parent != dir {
		if path, mode := blockedAt(parent, acct); path != "" {
			return path, mode
		}
	}
	info, err := os.Stat(dir)
	if err != nil {
		return "", 0
	}
	pass := fs.FileMode(0o001)
	switch uid, gid := ownerOf(info); {
	case uid == acct.uid:
		pass = 0o100
	case gid == acct.gid:
		pass = 0o010
	}
	if info.Mode().Perm()&pass == 0 {
		return dir, info.Mode().Perm()
	}
	return "", 0
}
