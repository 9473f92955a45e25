package pgembed

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
)

// layout knows where everything is. Its paths are absolute and free of symbolic links, up to and including pg.
type layout struct {
	parent string // the gateway's data directory
	pg     string
}

func (l layout) data() string         { return filepath.Join(l.pg, "data") }
func (l layout) run() string          { return filepath.Join(l.pg, "run") }
func (l layout) passwordFile() string { return filepath.Join(l.pg, "pw") }
func (l layout) ownerLock() string    { return filepath.Join(l.pg, "owner.lock") }
func (l layout) adoptersLock() string { return filepath.Join(l.pg, "adopters.lock") }

// debrisPattern matches what create makes before it is complete.
const debrisPattern = "new-*"

// makeLayout makes the directories that need no decision: the data directory, if absent, and pg in it. Both let
// PostgreSQL's user pass through (0711) but not look around, and pg belongs to whoever owns the data directory.
func makeLayout(dataDir string) (layout, error) {
	if dataDir == "" {
		return layout{}, errors.New("the embedded database needs a data directory")
	}
	parent, err := filepath.Abs(dataDir)
	if err != nil {
		return layout{}, fmt.Errorf("finding the data directory: %w", err)
	}
	if err := makePassable(parent); err != nil {
		return layout{}, err
	}
	if parent, err = filepath.EvalSymlinks(parent); err != nil {
		return layout{}, fmt.Errorf("finding the data directory: %w", err)
	}
	l := layout{parent: parent, pg: filepath.Join(parent, "pg")}
	if err := makePassable(l.pg); err != nil {
		return layout{}, err
	}
	return l, giveToOwnerOfParent(l.pg)
}

// makePassable makes path and its missing parents with mode 0711, whatever the umask; what exists stays as it is.
func makePassable(path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if err := makePassable(filepath.Dir(path)); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o711); err != nil { //nolint:gosec // PostgreSQL's user must pass through
		if errors.Is(err, fs.ErrExist) {
			return nil // somebody else was faster
		}
		return fmt.Errorf("making the data directory: %w", err)
	}
	if err := os.Chmod(path, 0o711); err != nil { //nolint:gosec // as above
		return fmt.Errorf("making the data directory: %w", err)
	}
	return nil
}

// letThrough undoes what a strict umask or a careless restore did to pg, which is ours. The directories above are the
// operator's to change.
func (l layout) letThrough(acct account) error {
	if !acct.switches {
		return nil
	}
	if err := os.Chmod(l.pg, 0o711); err != nil { //nolint:gosec // PostgreSQL's user must pass through
		return fmt.Errorf("preparing the database directory: %w", err)
	}
	return nil
}

// clusterVersion returns the major version of the cluster in data, 0 when there is none yet.
func (l layout) clusterVersion() (int, error) {
	entries, err := os.ReadDir(l.data())
	if errors.Is(err, fs.ErrNotExist) || (err == nil && len(entries) == 0) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("reading the database cluster: %w", err)
	}
	text, err := os.ReadFile(filepath.Join(l.data(), "PG_VERSION"))
	if err != nil {
		return 0, fmt.Errorf("%s holds files but no PostgreSQL cluster: %w; move it away or complete it from its backup; nothing was touched",
			l.data(), err)
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || major <= 0 {
		return 0, fmt.Errorf("%s says PostgreSQL version %q, which is none; restore it from a backup; nothing was touched",
			filepath.Join(l.data(), "PG_VERSION"), strings.TrimSpace(string(text)))
	}
	return major, nil
}

// prepare gives the cluster, the password and the socket directory to acct, and returns the socket directory.
// Only the owner may call it, while no PostgreSQL runs.
func (l layout) prepare(acct account) (string, error) {
	if acct.switches {
		if err := chownTree(l.data(), acct); err != nil {
			return "", err
		}
		if err := os.Lchown(l.passwordFile(), acct.uid, acct.gid); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("preparing the database password: %w", err)
		}
	}
	dir := l.run()
	if !fitsSocket(dir) {
		dir = l.fallbackSocketDir()
	}
	if err := makePrivate(dir, acct); err != nil {
		return "", err
	}
	// We hold the lock and nobody serves: a socket that is there is debris, and its lock file may name a process
	// that lives again as something else.
	for _, name := range []string{".s.PGSQL." + socketPort, ".s.PGSQL." + socketPort + ".lock"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("clearing the socket directory: %w", err)
		}
	}
	return dir, nil
}

// chownTree gives the cluster to acct unless it is its already: after a restore by root, or when the configured user changed.
func chownTree(data string, acct account) error {
	info, err := os.Stat(data)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the database cluster: %w", err)
	}
	if uid, _ := ownerOf(info); uid == acct.uid {
		return nil
	}
	// os.Root, because the present owner of the cluster may swap a directory for a symbolic link under our hands.
	root, err := os.OpenRoot(data)
	if err != nil {
		return fmt.Errorf("giving the database cluster to %s: %w", acct.name, err)
	}
	err = fs.WalkDir(root.FS(), ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || path == "." {
			return err
		}
		return root.Lchown(path, acct.uid, acct.gid)
	})
	// The top comes last: as long as it belongs to somebody else, the next start takes up an interrupted walk.
	if err == nil {
		err = root.Chown(".", acct.uid, acct.gid)
	}
	if err = errors.Join(err, root.Close()); err != nil {
		return fmt.Errorf("giving the database cluster to %s: %w", acct.name, err)
	}
	return nil
}

// fitsSocket reports whether a socket in dir has a path that the kernel and pgx accept.
func fitsSocket(dir string) bool {
	// pgx reads a comma as the end of a host.
	return len(filepath.Join(dir, ".s.PGSQL."+socketPort)) <= maxSocketPath && !strings.Contains(dir, ",")
}

// fallbackSocketDir is used when the data directory's path is too long: always the same one for the same directory.
func (l layout) fallbackSocketDir() string {
	bases := []string{"/run", "/var/run"}
	if os.Geteuid() != 0 {
		bases = []string{os.Getenv("XDG_RUNTIME_DIR"), os.TempDir()}
	}
	sum := sha256.Sum256([]byte(l.pg))
	name := "cdxgate-" + hex.EncodeToString(sum[:8])
	for _, base := range bases {
		dir := filepath.Join(base, name)
		info, err := os.Stat(base) //nolint:gosec // XDG_RUNTIME_DIR is ours to obey, and makePrivate checks what we make in it
		if filepath.IsAbs(base) && err == nil && info.IsDir() && fitsSocket(dir) {
			return dir
		}
	}
	return filepath.Join("/tmp", name)
}

var fallbackName = regexp.MustCompile(`^cdxgate-[0-9a-f]{16}$`)

// removeSocketDir tidies up outside the data directory. What it cannot remove does no harm.
func (l layout) removeSocketDir(dir string) {
	if dir != l.run() && fallbackName.MatchString(filepath.Base(dir)) {
		_ = os.Remove(dir)
	}
}

// makePrivate makes dir a directory of acct that only acct (and root) can enter.
func makePrivate(dir string, acct account) error {
	err := os.Mkdir(dir, 0o700)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("making the socket directory: %w", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("making the socket directory: %w", err)
	}
	// In a shared place such as /tmp anybody may have taken the name before us.
	uid, _ := ownerOf(info)
	if !info.IsDir() || (uid != acct.uid && !acct.switches) {
		return fmt.Errorf("the socket directory %s belongs to somebody else; remove it, or choose a data_dir with a shorter path", dir)
	}
	if acct.switches {
		if err := os.Lchown(dir, acct.uid, acct.gid); err != nil {
			return fmt.Errorf("making the socket directory: %w", err)
		}
	}
	if err := os.Chmod(dir, 0o700); err != nil { //nolint:gosec // a directory needs its x
		return fmt.Errorf("making the socket directory: %w", err)
	}
	return nil
}

// removeDebris removes clusters that were never completed. A killed initdb may leave a child that still writes for a
// moment; what cannot be removed now is removed by a later start and is in nobody's way until then.
func (l layout) removeDebris() {
	leftovers, _ := filepath.Glob(filepath.Join(globEscape(l.pg), debrisPattern)) // fails for bad patterns only
	for _, dir := range leftovers {
		_ = os.RemoveAll(dir)
	}
}

func globEscape(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// giveToOwnerOfParent makes what root made belong to whoever its directory belongs to: a command that root runs once must
// not lock the gateway's user out.
func giveToOwnerOfParent(path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	own, err := os.Lstat(path)
	if err != nil {
		return fmt.Errorf("preparing %s: %w", path, err)
	}
	parent, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("preparing %s: %w", path, err)
	}
	uid, gid := ownerOf(parent)
	if madeBy, _ := ownerOf(own); madeBy != 0 || uid == 0 {
		return nil
	}
	if err := os.Lchown(path, uid, gid); err != nil {
		return fmt.Errorf("preparing %s: %w", path, err)
	}
	return nil
}

// ownerOf returns who owns a file.
func ownerOf(info fs.FileInfo) (uid, gid int) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		panic(fmt.Sprintf("os.Stat gave %T", info.Sys())) // cannot happen on Unix
	}
	return int(stat.Uid), int(stat.Gid)
}
