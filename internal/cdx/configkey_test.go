package cdx

import (
	"os"
	"strings"
	"testing"
)

const nextKey = "fedcba9876543210fedcba9876543210"

func TestTakeKey(t *testing.T) {
	t.Parallel()
	app := appAt(theDay)
	c := kept(t, enrolled(t, signerA.offer(nil)))
	for _, given := range []apiKey{"", someKey} {
		before, err := os.Stat(c.path)
		if err != nil {
			t.Fatal(err)
		}
		note := app.takeKey(c, given)
		after, err := os.Stat(c.path)
		if err != nil || note != "" || c.APIKey != someKey || !os.SameFile(before, after) {
			t.Errorf("%d characters: got %q, %v", len(given), note, err)
		}
	}
	if note := app.takeKey(c, nextKey); note != "" || c.APIKey != nextKey {
		t.Errorf("got %q", note)
	}
	if got := onDisk(t, c.path); got.APIKey != nextKey || got.FQDN != c.FQDN || !got.isSigned() {
		t.Errorf("got %+v", got)
	}
	info, err := os.Stat(c.path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v", info.Mode(), err)
	}
	// The configuration goes on being followed, under the new key.
	if note := app.followConfig(c, blockOf(t, "tag", signerA.offer(nil))); note != "" || onDisk(t, c.path).etag != "tag" {
		t.Errorf("got %q", note)
	}
	for name, given := range map[string]apiKey{"short": "short", "blank": nextKey + " ", "a line": apiKey(someKey + "\r\nX: y")} {
		note := app.takeKey(c, given)
		if !strings.Contains(note, "was not taken: api_key is not an API key") || strings.Contains(note, strings.TrimSpace(string(given))) && name != "short" {
			t.Errorf("%s: got %q", name, note)
		}
		if c.APIKey != nextKey || onDisk(t, c.path).APIKey != nextKey {
			t.Errorf("%s: it was taken", name)
		}
	}
}

// Another cdx of the machine took the key first, or the machine was enrolled anew meanwhile, or is no host any more.
func TestTakeKeyAfterOthers(t *testing.T) {
	t.Parallel()
	app := appAt(theDay)
	c := kept(t, enrolled(t, signerA.offer(nil)))
	other := onDisk(t, c.path)
	if note := app.takeKey(other, nextKey); note != "" {
		t.Fatal(note)
	}
	if note := app.takeKey(c, nextKey); note != "" || c.APIKey != nextKey {
		t.Errorf("got %q, and it does not go on with the key that is there", note)
	}
	third := strings.Repeat("3", 32)
	anew := strings.Replace(oldFile, someKey, third, 1)
	if err := os.WriteFile(c.path, []byte(anew), 0o600); err != nil {
		t.Fatal(err)
	}
	if note := app.takeKey(c, someKey); note != "" || c.APIKey != nextKey || string(onDisk(t, c.path).APIKey) != third {
		t.Errorf("got %q after a new enrolment", note)
	}
	if err := os.Remove(c.path); err != nil {
		t.Fatal(err)
	}
	if note := app.takeKey(c, someKey); note != "" || c.APIKey != nextKey {
		t.Errorf("got %q from a machine that is no host", note)
	}
	if _, err := os.Stat(c.path); err == nil {
		t.Error("it made the machine a host again")
	}
}

func TestRenewKey(t *testing.T) {
	t.Parallel()
	c := kept(t, enrolled(t, signerA.offer(nil)))
	if c.renewKey() || (*Config)(nil).renewKey() || (&Config{}).renewKey() {
		t.Error("there is another key where there is none")
	}
	other := onDisk(t, c.path)
	if note := appAt(theDay).takeKey(other, nextKey); note != "" {
		t.Fatal(note)
	}
	if !c.renewKey() || c.APIKey != nextKey {
		t.Error("what another cdx wrote was not found")
	}
	// The key of an enrolment with another gateway is none for this.
	for _, change := range [][2]string{{"codex.example.net", "evil.example"}, {`"installation"`, `"other"`}} {
		text := strings.Replace(strings.Replace(oldFile, change[0], change[1], 1), someKey, strings.Repeat("3", 32), 1)
		if err := os.WriteFile(c.path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if c.renewKey() || c.APIKey != nextKey {
			t.Errorf("%s: the key was taken", change[1])
		}
	}
}
