package cdx

import (
	"os"
	"testing"

	"github.com/cdxgate/cdxgate/internal/cdx/files"
)

func TestRemoveOwnDirLeavesOthers(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"cdx", "bin"} {
		dir := t.TempDir() + "/" + name
		if err := files.Write(dir+"/ours", nil); err != nil {
			t.Fatal(err)
		}
		if err := files.Write(dir+"/other", nil); err != nil {
			t.Fatal(err)
		}
		if err := removeWithDir(dir + "/ours"); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(dir + "/other"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := removeTree(dir + "/other"); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(dir); (err == nil) == (name == "cdx") {
			t.Errorf("the empty directory %s: %v", name, err)
		}
	}
}

// Codex may renew the login between the moment when the gateway was seen to have it and the one when it is removed.
func TestRemoveLoginLooksAgain(t *testing.T) {
	t.Parallel()
	known, renewed := []byte(`{"tokens":{"access_token":"a"}}`), []byte(`{"tokens":{"access_token":"b"}}`)
	for name, c := range map[string]struct {
		onDisk []byte
		stays  bool
	}{"known": {known, false}, "renewed": {renewed, true}, "half-written": {[]byte("{"), true}} {
		a := &app{home: home{t.TempDir()}}
		u := &uninstalling{app: a, hasLogin: true}
		u.add(a.home.authPath(), "the fleet's login", u.removeLogin)
		if err := a.home.saveState(state{KnownDigest: parseLogin(known).digest()}); err != nil {
			t.Fatal(err)
		}
		if err := files.Write(a.home.authPath(), c.onDisk); err != nil {
			t.Fatal(err)
		}
		err := u.takeLogin()
		if (err != nil) != c.stays || u.hasLogin != c.stays || (len(u.removals) > 0) != c.stays {
			t.Errorf("%s: got %v and %v", name, err, u.removals)
		}
		if _, err := os.Stat(a.home.authPath()); (err == nil) != c.stays {
			t.Errorf("%s: afterwards: %v", name, err)
		}
	}
}
