package journal

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/api/jsondoc"
)

// secret is in every login of the tests.
const secret = "planted-refresh-token"

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

var someDigest = strings.Repeat("0123456789abcdef", 4)

// login is an auth.json whose access token has claims, which is the inside of a JSON object.
func login(account, claims string) []byte {
	token := "e30." + base64.RawURLEncoding.EncodeToString([]byte("{"+claims+"}")) + ".c2ln"
	return fmt.Appendf(nil, `{"tokens":{"access_token":%q,"refresh_token":%q,"account_id":%q},"last_refresh":"2026-11-23T15:19:31Z"}`,
		token, secret+claims, account)
}

// session is a login of one chain of renewals.
func session(name string, issuedAt int) []byte {
	return login("acct", fmt.Sprintf(`"iat":%d,"session_id":%q`, issuedAt, name))
}

func newJournal(t *testing.T) Journal {
	t.Helper()
	return at(filepath.Join(t.TempDir(), ".cdx", "pending-auth.json"))
}

func at(path string) Journal { return Journal{Path: path, Now: func() time.Time { return noon }} }

func TestKeptToTheByte(t *testing.T) {
	t.Parallel()
	for _, auth := range []string{
		string(session("one", 1)),
		"\r\n{ \"z\" : 1.50, \"a\":\"\\u00e9é\\/<>&\" ,\"big\":123456789012345678901234567890,\n\t\"z\": {\"e\":[ ]} }\n\n",
		"{}",
	} {
		j := newJournal(t)
		put(t, j, []byte(auth))
		got := read(t, j)
		if len(got) != 1 || string(got[0].Auth) != auth {
			t.Fatalf("got %d logins, the first of %d bytes, want the one that was put", len(got), len(got[0].Auth))
		}
		if want := digestOf(t, []byte(auth)); got[0].Digest != want {
			t.Errorf("got the digest %s, want %s", got[0].Digest, want)
		}
		if got[0].Base != someDigest || !got[0].Since.Equal(noon) || got[0].Rejected != "" {
			t.Errorf("got base %q, since %v, rejected %q", got[0].Base, got[0].Since, got[0].Rejected)
		}
	}
}

func TestWhoseItIs(t *testing.T) {
	t.Parallel()
	j := newJournal(t)
	put(t, j, login("acct-7", ""))
	if got := read(t, j)[0].Account; got != "acct-7" {
		t.Errorf("got %q", got)
	}
}

func TestOnlyTheOwnerReads(t *testing.T) {
	t.Parallel()
	j := newJournal(t)
	put(t, j, session("one", 1))
	wantMode(t, j.Path, 0o600)
	wantMode(t, filepath.Dir(j.Path), 0o700)
}

// What a gateway says is stored only if it is what it should be.
func TestStrangeBase(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"", "x", someDigest + "0", strings.Repeat("x", 64), strings.Repeat("a", 10<<20)} {
		j := newJournal(t)
		if err := j.Put(session("one", 1), base); err != nil {
			t.Fatal(err)
		}
		if got := read(t, j)[0].Base; got != "" {
			t.Errorf("got a base of %d bytes, want none", len(got))
		}
	}
}

func TestWhichLoginsStay(t *testing.T) {
	t.Parallel()
	old := session("one", 10)
	for name, test := range map[string]struct {
		newer []byte
		want  int
	}{
		"renewal":               {session("one", 11), 1},
		"renewal, sid":          {login("acct", `"iat":11,"session_id":"one","sid":"x"`), 1},
		"same second":           {login("acct", `"iat":10,"session_id":"one","n":1`), 2},
		"restored":              {session("one", 9), 2},
		"logged in anew":        {session("two", 11), 2},
		"another account":       {login("other", `"iat":11,"session_id":"one"`), 2},
		"no account":            {login("", `"iat":11,"session_id":"one"`), 2},
		"says no time":          {login("acct", `"session_id":"one"`), 2},
		"absurd time":           {login("acct", `"iat":"11","session_id":"one"`), 2},
		"says no login":         {login("acct", `"iat":11`), 2},
		"other sign of a login": {login("acct", `"iat":11,"sid":"one"`), 2},
		"no JWT":                {[]byte(`{"tokens":{"access_token":"opaque","account_id":"acct"}}`), 2},
		"half a JWT":            {[]byte(`{"tokens":{"access_token":"e30.!.x","account_id":"acct"}}`), 2},
		"no tokens":             {[]byte(`{}`), 2},
	} {
		j := newJournal(t)
		put(t, j, old)
		put(t, j, test.newer)
		got := read(t, j)
		if len(got) != test.want || !bytes.Equal(got[0].Auth, test.newer) {
			t.Errorf("%s: got %d logins, want %d with the newest first", name, len(got), test.want)
		}
		if test.want == 2 && !bytes.Equal(got[1].Auth, old) {
			t.Errorf("%s: the old login is gone", name)
		}
	}
}

func TestRenewalOfOneThatNoTimeIsKnownOf(t *testing.T) {
	t.Parallel()
	j := newJournal(t)
	put(t, j, login("acct", `"session_id":"one"`))
	put(t, j, session("one", 1))
	if got := read(t, j); len(got) != 2 {
		t.Errorf("got %d logins, want both", len(got))
	}
}

// A renewal makes what it renewed worthless wherever that is, and leaves the rest.
func TestRenewalOfAnOlderOne(t *testing.T) {
	t.Parallel()
	j := newJournal(t)
	put(t, j, session("one", 1), session("two", 1), session("three", 1), session("two", 5))
	want := [][]byte{session("two", 5), session("three", 1), session("one", 1)}
	if got := auths(read(t, j)); !slices.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("got %d logins, want %d of which the first is the renewal", len(got), len(want))
	}
}

func TestPutAgain(t *testing.T) {
	t.Parallel()
	j := newJournal(t)
	put(t, j, session("one", 1), session("two", 1))
	reject(t, j, session("one", 1), "no such account")
	before, err := os.Stat(j.Path)
	if err != nil {
		t.Fatal(err)
	}
	j.Now = func() time.Time { return noon.Add(time.Hour) }
	put(t, j, session("two", 1)) // as every poll may do
	if after, err := os.Stat(j.Path); err != nil || !os.SameFile(before, after) {
		t.Errorf("the file was written again although nothing is new (%v)", err)
	}
	put(t, j, session("one", 1))
	got := read(t, j)
	if len(got) != 2 || !bytes.Equal(got[0].Auth, session("one", 1)) {
		t.Fatalf("got %d logins, want 2, the one on the disk first", len(got))
	}
	if !got[0].Since.Equal(noon) || got[0].Rejected != "no such account" {
		t.Errorf("got since %v, rejected %q, want what was there", got[0].Since, got[0].Rejected)
	}
}

func TestRejected(t *testing.T) {
	t.Parallel()
	j := newJournal(t)
	one, two := session("one", 1), session("two", 1)
	put(t, j, one, two)
	wantNext(t, j, two)
	reject(t, j, two, "not a ChatGPT login")
	wantNext(t, j, one)
	reject(t, j, one, "")
	wantNext(t, j, nil)
	if got := read(t, j); got[0].Rejected != "not a ChatGPT login" || got[1].Rejected == "" {
		t.Errorf("got the reasons %q and %q", got[0].Rejected, got[1].Rejected)
	}
	put(t, j, session("two", 2))
	wantNext(t, j, session("two", 2))
	if err := j.Reject(someDigest, "never heard of"); err != nil {
		t.Error(err)
	}
}

func TestHostileReason(t *testing.T) {
	t.Parallel()
	for _, reason := range []string{"\xff\xfe", strings.Repeat("é", 10<<20), "x\xff", strings.Repeat("\x00", 5000)} {
		j := newJournal(t)
		put(t, j, session("one", 1))
		reject(t, j, session("one", 1), reason)
		got := read(t, j)
		if len(got) != 1 || got[0].Rejected == "" || len(got[0].Rejected) > maxReasonBytes {
			t.Errorf("got %d logins, rejected for %d bytes", len(got), len(got[0].Rejected))
		}
	}
}

func TestSettle(t *testing.T) {
	t.Parallel()
	j := newJournal(t)
	settle(t, j, session("one", 1)) // there is no file
	put(t, j, session("one", 1), session("two", 1))
	settle(t, j, session("one", 2))
	if got := read(t, j); len(got) != 2 {
		t.Fatalf("got %d logins after another was settled, want 2", len(got))
	}
	settle(t, j, session("two", 1))
	wantNext(t, j, session("one", 1))
	settle(t, j, session("one", 1))
	if _, err := os.Lstat(j.Path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want no file", err)
	}
}

func TestNoRoom(t *testing.T) {
	t.Parallel()
	j := newJournal(t)
	for i := range maxEntries {
		put(t, j, session(fmt.Sprint(i), 1))
	}
	reject(t, j, session("3", 1), "no")
	reject(t, j, session("5", 1), "no")
	put(t, j, session("8", 1)) // the oldest rejected one leaves
	wantFiles(t, j, "pending-auth.json")
	if i := indexOf(read(t, j), digestOf(t, session("3", 1))); i >= 0 {
		t.Error("the oldest rejected login is still there")
	}
	put(t, j, session("9", 1))
	put(t, j, session("10", 1)) // none is rejected any more: the oldest is set aside
	put(t, j, session("11", 1)) // in the same second
	wantFiles(t, j, "pending-auth.json", "pending-auth.json.old-20261123T120000Z", "pending-auth.json.old-20261123T120000Z-2")
	for name, want := range map[string][]byte{"": session("0", 1), "-2": session("1", 1)} {
		path := j.Path + ".old-20261123T120000Z" + name
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: got another login than the oldest (%v)", path, err)
		}
		wantMode(t, path, 0o600)
	}
	if got := read(t, j); len(got) != maxEntries || !bytes.Equal(got[0].Auth, session("11", 1)) {
		t.Errorf("got %d logins, want %d with the newest first", len(got), maxEntries)
	}
}

// The newest is never the one that leaves, though it was refused before.
func TestNoRoomForARejectedOne(t *testing.T) {
	t.Parallel()
	var entries []Entry
	for i := range maxEntries + 1 {
		e, err := newEntry(session(fmt.Sprint(i), 1))
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, e)
	}
	entries[0].Rejected = "no"
	j := newJournal(t)
	got, err := j.bounded(entries)
	if err != nil || len(got) != maxEntries || !bytes.Equal(got[0].Auth, session("0", 1)) {
		t.Errorf("got %d logins, %v", len(got), err)
	}
}

func TestLargestLogins(t *testing.T) {
	t.Parallel()
	j := newJournal(t)
	for i := range maxEntries {
		auth := fmt.Appendf(nil, `{"n":%d,"x":"`, i)
		auth = append(auth, bytes.Repeat([]byte("x"), jsondoc.MaxBytes-len(auth)-2)...)
		auth = append(auth, `"}`...)
		put(t, j, auth)
		reject(t, j, auth, strings.Repeat("\x01", maxReasonBytes))
	}
	if got := read(t, j); len(got) != maxEntries {
		t.Errorf("got %d logins, want %d", len(got), maxEntries)
	}
}

func TestNoLogin(t *testing.T) {
	t.Parallel()
	for name, auth := range map[string]string{
		"empty": "", "half": `{"tokens":{"refresh_token":"` + secret, "list": `["` + secret + `"]`, "text": `"` + secret + `"`,
		"too large": `{"x":"` + strings.Repeat(secret, jsondoc.MaxBytes) + `"}`,
	} {
		j := newJournal(t)
		err := j.Put([]byte(auth), "")
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: got %v, want an error without the content", name, err)
		}
		if _, err := os.Lstat(j.Path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: got %v, want no file", name, err)
		}
	}
}

func TestNotWritable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(file, "pending-auth.json"), dir} { // below a file; a directory
		if err := at(path).Put(session("one", 1), ""); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: got %v, want an error without the content", path, err)
		}
	}
}

func TestRedacted(t *testing.T) {
	t.Parallel()
	j := newJournal(t)
	put(t, j, session("one", 1))
	entries := read(t, j)
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, nil))
	log.Info("x", "entry", entries[0], "pointer", &entries[0], "all", entries)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "entry", entries[0], "pointer", &entries[0], "all", entries)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+verb+verb+"\n", entries[0], &entries[0], entries)
	}
	if err := json.NewEncoder(&out).Encode(map[string]any{"entries": entries, "one": &entries[0]}); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	for _, shown := range []string{
		secret, fmt.Sprintf("%x", secret), fmt.Sprintf("%d", []byte(secret))[1:20], base64.StdEncoding.EncodeToString(entries[0].Auth)[:20],
		entries[0].Digest,
	} {
		if strings.Contains(text, shown) {
			t.Errorf("%q shows in %s", shown, text)
		}
	}
	if !strings.Contains(text, redacted) {
		t.Errorf("got %s", text)
	}
}

func put(t *testing.T, j Journal, auths ...[]byte) {
	t.Helper()
	for _, auth := range auths {
		if err := j.Put(auth, someDigest); err != nil {
			t.Fatal(err)
		}
	}
}

func read(t *testing.T, j Journal) []Entry {
	t.Helper()
	entries, err := j.Read()
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

func reject(t *testing.T, j Journal, auth []byte, reason string) {
	t.Helper()
	if err := j.Reject(digestOf(t, auth), reason); err != nil {
		t.Fatal(err)
	}
}

func settle(t *testing.T, j Journal, auth []byte) {
	t.Helper()
	if err := j.Settle(digestOf(t, auth)); err != nil {
		t.Fatal(err)
	}
}

func wantNext(t *testing.T, j Journal, want []byte) {
	t.Helper()
	next := Next(read(t, j))
	if (next == nil) != (want == nil) || next != nil && !bytes.Equal(next.Auth, want) {
		t.Errorf("another login is next than should be (none: %v)", next == nil)
	}
}

func auths(entries []Entry) [][]byte {
	var all [][]byte
	for _, e := range entries {
		all = append(all, e.Auth)
	}
	return all
}

func digestOf(t *testing.T, auth []byte) string {
	t.Helper()
	value, err := jsondoc.Parse(auth)
	if err != nil {
		t.Fatal(err)
	}
	return jsondoc.DigestOf(value).String()
}

func wantMode(t *testing.T, path string, want os.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != want && runtime.GOOS != "windows" {
		t.Errorf("%s: got mode %o, want %o", path, got, want)
	}
}

func wantFiles(t *testing.T, j Journal, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(j.Path))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, entry := range entries {
		got = append(got, entry.Name())
	}
	if !slices.Equal(got, want) {
		t.Errorf("got the files %v, want %v", got, want)
	}
}
