package cdx

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/cdxgate/cdxgate/internal/cdx/files"
	"github.com/cdxgate/cdxgate/internal/cdx/journal"
	"github.com/cdxgate/cdxgate/internal/cdx/share"
)

const isWindows = runtime.GOOS == "windows"

// removal is one thing that goes.
type removal struct {
	path   string
	what   string
	remove func() error
}

// uninstalling is what cdx uninstall will do.
type uninstalling struct {
	app      *app
	session  *session // nil: this machine is not enrolled, as far as this user may say
	hasLogin bool     // there is a login among the removals
	removals []removal
	kept     []string // what stays although somebody might expect otherwise, as lines
}

// ofCodex are what Codex itself keeps in its home about the work that was done with it, which --purge takes too.
var ofCodex = []string{"sessions", "archived_sessions", "history.jsonl", "log"}

// planUninstall finds out what there is to remove. It changes nothing.
//
// Errors: *refusal: these options cannot be obeyed.
func (a *app) planUninstall(options []string) (*uninstalling, error) {
	u := &uninstalling{app: a}
	config, err := u.findConfig()
	if err != nil {
		return nil, err
	}
	if err := u.addLogin(); err != nil {
		return nil, err
	}
	u.addCommands()
	u.addTree(filepath.Join(a.home.dir, ".cdx"), "what cdx remembers about this Codex home")
	u.warnOfLogins()
	if root := codexPlaces().Root; root != "" {
		u.addTree(root, "the copies of Codex that cdx installed")
	}
	if slices.Contains(options, optionPurge) {
		for _, name := range ofCodex {
			u.addTree(filepath.Join(a.home.dir, name), "Codex's own")
		}
	}
	if slices.Contains(options, optionAllUsers) {
		if err := u.addOtherUsers(); err != nil {
			return nil, err
		}
	}
	if config != "" {
		u.add(config, "the configuration, with this machine's API key", func() error { return removeWithDir(config) })
	}
	if len(u.removals) > 0 {
		u.addProgram()
	}
	return u, nil
}

func (u *uninstalling) add(path, what string, remove func() error) {
	u.removals = append(u.removals, removal{path: path, what: what, remove: remove})
}

// addTree adds a directory, or file, with all that is in it, if it is there.
func (u *uninstalling) addTree(path, what string) {
	if _, err := os.Lstat(path); err == nil {
		u.add(path, what, func() error { return removeTree(path) })
	}
}

// findConfig begins the dealings with the gateway, and returns the path of the configuration if it goes. One that this user
// cannot remove is the machine's: other users go on with it, so the gateway is not told anything.
func (u *uninstalling) findConfig() (string, error) {
	path, err := configPath()
	if err != nil {
		return "", err
	}
	if _, err := os.Lstat(path); err != nil {
		return "", nil //nolint:nilerr // nothing that this user could know of
	}
	if !mayRemove(path) {
		u.kept = append(u.kept, display(path)+" stays, and so does this machine on the gateway: this user may not remove it")
		return "", nil
	}
	config, err := loadConfig()
	if err != nil {
		u.kept = append(u.kept, "the gateway is not told, since the configuration is unusable: an admin types cdxgate host rm")
		return path, nil //nolint:nilerr // it goes in any case
	}
	u.session = u.app.newSession(config, "")
	return path, nil
}

// addLogin adds the login if it is the fleet's, as far as is known without the gateway.
func (u *uninstalling) addLogin() error {
	h := u.app.home
	now, err := readLogin(h.authPath())
	if err != nil {
		return cannotWrite(err)
	}
	st := h.loadState()
	known := now.exists() && now.digest() == st.KnownDigest
	switch path := display(h.authPath()); {
	case now.raw == nil:
		return nil
	case now.broken != nil:
		u.kept = append(u.kept, path+" stays: it is no login that cdx can read")
	case now.isOwnAPIKey():
		u.kept = append(u.kept, path+" stays: it is an API key of yours")
	case !known && st.Account != "" && now.account() != "" && now.account() != st.Account:
		u.kept = append(u.kept, path+" stays: it is of another account than the fleet's")
	case !known && u.session == nil:
		u.kept = append(u.kept, path+" stays: it is not known to be the fleet's")
	default:
		u.hasLogin = true
		u.add(h.authPath(), "the fleet's login", u.removeLogin)
	}
	return nil
}

// warnOfLogins tells of logins that the gateway did not take: they go with what cdx remembers, and nobody else has them.
func (u *uninstalling) warnOfLogins() {
	entries, _ := u.app.anyway().journal().Read() // a damaged one is set aside, and goes too
	var paths []string
	if slices.ContainsFunc(entries, func(e journal.Entry) bool { return e.Rejected != "" }) {
		paths = append(paths, u.app.anyway().journal().Path)
	}
	if path := u.app.home.proposalPath(); !missing(path) {
		paths = append(paths, path)
	}
	for _, path := range paths {
		u.kept = append(u.kept, "in "+display(path)+" is a login that the gateway did not take: copy it first if somebody needs it")
	}
}

// addCommands adds the slash commands that are as the fleet has them. Removing those is what the fleet's own retirement of
// all of them would do.
func (u *uninstalling) addCommands() {
	list := u.app.home.loadBlocks().library()
	if list == nil {
		return
	}
	retired := items(list)
	for i := range retired {
		retired[i].Retired = true
	}
	set := u.app.anyway().commandSet()
	set.MayPush = nil // nothing is offered any more
	plan, err := set.Plan(retired)
	if err != nil || plan.Count(share.Remove) == 0 {
		return // what cannot be told from the user's own stays
	}
	what := strconv.Itoa(plan.Count(share.Remove)) + " slash commands of the fleet; yours stay"
	u.add(set.Place.Dir, what, func() error {
		done := set.Apply(context.Background(), plan)
		if failed := done.Failed; failed > 0 {
			return errors.New(strings.Join(done.Lines, "; "))
		}
		return nil
	})
}

// forgetLogin takes the login off the list.
func (u *uninstalling) forgetLogin() {
	path := u.app.home.authPath()
	u.hasLogin = false
	u.removals = slices.DeleteFunc(u.removals, func(r removal) bool { return r.path == path })
}

// removeLogin removes the login if it is still the one that the gateway has: Codex may have renewed it meanwhile.
func (u *uninstalling) removeLogin() error {
	h := u.app.home
	ctx, cancel := context.WithTimeout(context.Background(), syncTimeout())
	defer cancel()
	unlock, err := h.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	now, err := readLogin(h.authPath())
	if err != nil {
		return err
	}
	if now.raw != nil && (!now.exists() || now.digest() != h.loadState().KnownDigest) {
		return errors.New("it has just become one that the gateway does not have")
	}
	target, err := files.FollowLinks(h.authPath())
	if err != nil {
		return err
	}
	return errors.Join(files.Remove(target), h.forgetAside())
}

// addProgram adds cdx itself, unless it belongs to somebody else.
func (u *uninstalling) addProgram() {
	self, err := os.Executable()
	if err != nil {
		return
	}
	if !mayRemove(self) {
		u.kept = append(u.kept, display(self)+" stays: this user may not remove it")
		return
	}
	u.add(self, "cdx itself", func() error { return removeProgram(self) })
}

// mayRemove reports whether this user may remove what is at path: whoever may create a file beside it may.
func mayRemove(path string) bool {
	file, err := os.CreateTemp(filepath.Dir(path), ".cdx-uninstall-")
	if err != nil {
		return false
	}
	_ = file.Close()
	return os.Remove(file.Name()) == nil
}

// removeTree removes path with all that is in it, and the directory that only cdx used, if it is empty now.
func removeTree(path string) error {
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	removeOwnDir(filepath.Dir(path))
	return nil
}

// removeWithDir is removeTree for a file.
func removeWithDir(path string) error {
	if err := files.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	removeOwnDir(filepath.Dir(path))
	return nil
}

// removeOwnDir removes a directory of cdx's name that is empty.
func removeOwnDir(dir string) {
	if filepath.Base(dir) == "cdx" {
		_ = os.Remove(dir) // which the system does not do while something is in it
	}
}
