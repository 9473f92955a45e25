package pgembed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// oldestMajor is the first PostgreSQL whose features the schema may use.
const oldestMajor = 14

// binaries is an installed PostgreSQL.
type binaries struct {
	dir   string
	major int
}

func (b binaries) postgres() string { return filepath.Join(b.dir, "postgres") }
func (b binaries) initdb() string   { return filepath.Join(b.dir, "initdb") }

// systemPlaces are where packages put PostgreSQL outside $PATH, as glob patterns.
var systemPlaces = []string{
	"/usr/lib/postgresql/*/bin",         // Debian, Ubuntu
	"/usr/pgsql-*/bin",                  // postgresql.org's RPMs
	"/usr/lib/postgresql*/bin",          // SUSE
	"/usr/libexec/postgresql*",          // Alpine
	"/opt/homebrew/opt/postgresql*/bin", // Homebrew on Apple silicon
	"/usr/local/opt/postgresql*/bin",    // Homebrew on Intel
}

// findBinaries picks the PostgreSQL to run: the first that suits a cluster of the given major version (0: a new one, which
// anything from oldestMajor on suits).
func (s *Server) findBinaries(ctx context.Context, cluster int) (binaries, error) {
	dirs := candidates(s.cfg.Binaries, os.Getenv("PATH"), systemPlaces)
	if len(dirs) == 0 {
		if s.cfg.Binaries != "" {
			return binaries{}, fmt.Errorf("%w; there is no postgres in %s", ErrNotInstalled, s.cfg.Binaries)
		}
		return binaries{}, ErrNotInstalled
	}
	var found []binaries
	var unusable []error
	for _, dir := range dirs {
		b := binaries{dir: dir}
		var err error
		if b.major, err = s.askVersion(ctx, b); err != nil {
			unusable = append(unusable, err)
			continue
		}
		if b.suits(cluster) {
			return b, nil
		}
		found = append(found, b)
	}
	if len(found) == 0 {
		return binaries{}, unusable[0]
	}
	if cluster != 0 {
		return binaries{}, fmt.Errorf("%w: %s was made by PostgreSQL %d, and this machine has %s; install PostgreSQL %d, "+
			"or dump the database there and restore it here; nothing was touched", ErrVersion, s.dir.data(), cluster, describe(found), cluster)
	}
	return binaries{}, fmt.Errorf("%w; this machine has %s, and a new database needs postgres and initdb of PostgreSQL %d or newer",
		ErrNotInstalled, describe(found), oldestMajor)
}

// suits reports whether b can run a cluster of a major version, or make a new one (0).
func (b binaries) suits(cluster int) bool {
	if cluster != 0 {
		return b.major == cluster
	}
	return b.major >= oldestMajor && isProgram(b.initdb())
}

func describe(found []binaries) string {
	var list []string
	for _, b := range found {
		text := fmt.Sprintf("%d (%s)", b.major, b.dir)
		if !isProgram(b.initdb()) {
			text = fmt.Sprintf("%d without initdb (%s)", b.major, b.dir)
		}
		list = append(list, text)
	}
	return strings.Join(list, ", ")
}

// candidates lists directories with a postgres in them, the preferred one first: the configured one and no other, or those of
// $PATH in its order, then the system places from the newest version to the oldest.
func candidates(configured, path string, places []string) []string {
	if configured != "" {
		return slices.DeleteFunc([]string{configured}, lacksPostgres)
	}
	// A relative entry of $PATH would run whatever lies in the current directory.
	dirs := slices.DeleteFunc(filepath.SplitList(path), func(dir string) bool { return !filepath.IsAbs(dir) })
	var installed []string
	for _, place := range places {
		matches, _ := filepath.Glob(place) // fails for bad patterns only
		installed = append(installed, matches...)
	}
	slices.SortStableFunc(installed, func(a, b string) int { return cmp.Compare(versionInPath(b), versionInPath(a)) })
	return slices.DeleteFunc(append(dirs, installed...), lacksPostgres)
}

func lacksPostgres(dir string) bool { return !isProgram(filepath.Join(dir, "postgres")) }

func isProgram(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}

var digits = regexp.MustCompile(`\d+`)

// versionInPath returns the last number in a path, 0 without one: distributions keep versions apart by directory.
func versionInPath(path string) int {
	all := digits.FindAllString(path, -1)
	if len(all) == 0 {
		return 0
	}
	version, err := strconv.Atoi(all[len(all)-1])
	if err != nil {
		return 0
	}
	return version
}

var versionLine = regexp.MustCompile(`^postgres \(PostgreSQL\) (\d+)`)

// askVersion runs postgres -V as the account and from the directory that PostgreSQL will run in. That this works is the one
// reliable proof that the account may pass through all directories on the way.
func (s *Server) askVersion(ctx context.Context, b binaries) (int, error) {
	out, err := s.runTool(ctx, "", b.postgres(), "-V")
	if errors.Is(err, fs.ErrPermission) {
		for _, dir := range []string{s.dir.pg, b.dir} {
			if blocked, mode := blockedAt(dir, s.account); blocked != "" {
				return 0, fmt.Errorf("PostgreSQL runs as %s, who may not pass through %s (mode %04o); run: chmod o+x %s, or choose a data_dir elsewhere",
					s.account.name, blocked, mode, blocked)
			}
		}
	}
	if err != nil {
		return 0, fmt.Errorf("running %s as %s: %w", b.postgres(), s.account.name, err)
	}
	match := versionLine.FindStringSubmatch(out)
	if match == nil {
		return 0, fmt.Errorf("%s -V does not say which PostgreSQL it is: %q", b.postgres(), out)
	}
	return strconv.Atoi(match[1])
}
