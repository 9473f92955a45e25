package cdx

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
)

// signer is a master key of a gateway.
type signer struct {
	id      string
	private ed25519.PrivateKey
}

func newSigner(id string) signer {
	seed := sha256.Sum256([]byte(id))
	return signer{id: id, private: ed25519.NewKeyFromSeed(seed[:])}
}

func (s signer) key() api.SigningKey {
	public := s.private.Public().(ed25519.PublicKey) //nolint:forcetypeassert // Ed25519's own
	return api.SigningKey{KeyID: s.id, PublicKey: base64.StdEncoding.EncodeToString(public)}
}

func (s signer) sign(purpose string, document any) api.Signed {
	signed, err := api.Sign(purpose, s.id, s.private, document)
	if err != nil {
		panic(err)
	}
	return signed
}

// before states that next comes after s.
func (s signer) before(next signer) api.Signed { return s.sign(api.PurposeSigningKey, next.key()) }

// theDay is when the tests' configurations are issued; they last for thirty more.
var theDay = time.Date(2026, 11, 25, 7, 0, 0, 0, time.UTC)

func daysLater(days int) api.Time { return api.Time{Time: theDay.AddDate(0, 0, days)} }

// offer is a signed configuration for build7.example, with something changed.
func (s signer) offer(change func(*api.HostConfig), successors ...api.Signed) api.ConfigOffer {
	config := api.HostConfig{
		BaseURL: "https://codex.example.net", FQDN: "build7.example", InstallationID: "installation", Secure: true,
		AutoUpdate: true, IssuedAt: daysLater(0), ExpiresAt: daysLater(30),
	}
	if change != nil {
		change(&config)
	}
	return api.ConfigOffer{Config: s.sign(api.PurposeHostConfig, config), SigningKey: s.key(), Successors: successors}
}

const someKey = "0123456789abcdef0123456789abcdef"

// enrolled is the configuration that an enrolment with an offer leaves.
func enrolled(t *testing.T, offer api.ConfigOffer) *Config {
	t.Helper()
	c, err := configFrom(&api.EnrolResponse{APIKey: someKey, SigningKey: offer.SigningKey, Config: offer.Config}, "", theDay)
	if err != nil {
		t.Fatal(err)
	}
	return reread(t, c)
}

// reread is what the next run finds.
func reread(t *testing.T, c *Config) *Config {
	t.Helper()
	text, err := c.encode()
	if err != nil {
		t.Fatal(err)
	}
	again, err := parseConfig(text)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return again
}

// must follows an offer that has to be taken.
func (c *Config) must(t *testing.T, offer api.ConfigOffer) *Config {
	t.Helper()
	next, err := c.follow(offer, theDay)
	if err != nil {
		t.Fatal(err)
	}
	return reread(t, next)
}

var signerA, signerB, signerC, signerD = newSigner("aaaaaaaa"), newSigner("bbbbbbbb"), newSigner("cccccccc"), newSigner("dddddddd")

func TestAllThatIsSignedArrives(t *testing.T) {
	t.Parallel()
	c := enrolled(t, signerA.offer(func(h *api.HostConfig) {
		h.BaseURL, h.IPv4Only, h.ClientReleaseKey, h.CodexReleases = "https://codex.example.net/p/", true, "release key", "https://mirror.example"
		h.FQDN = "build<7>&\u2028.example" // characters that encoders like to spell in their own way
	}))
	if c.BaseURL != "https://codex.example.net/p" || c.FQDN != "build<7>&\u2028.example" || c.InstallationID != "installation" || !c.Secure ||
		!c.IPv4Only || !c.AutoUpdate || c.ReleaseKey != "release key" || c.CodexReleases != "https://mirror.example" ||
		c.SigningKey != signerA.key() || c.APIKey != someKey || !c.issued.Equal(theDay) || !c.expires.Equal(theDay.AddDate(0, 0, 30)) {
		t.Errorf("got %+v", c)
	}
	if bytes.Contains(c.signed.Document, []byte(someKey)) {
		t.Error("the key is in the signed document")
	}
}

// Another encoder than Go's may leave characters as they are; the file must too.
func TestTheDocumentIsKeptAsItCame(t *testing.T) {
	t.Parallel()
	const document = `{"fqdn":"<&>` + "\u2028\xff" + `é","base_url":"https://x","auto_update":true, "new":[1.0, 1e3]}`
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(document)); err != nil {
		t.Fatal(err)
	}
	signature := ed25519.Sign(signerA.private, append([]byte(api.PurposeHostConfig+"\n"), compact.Bytes()...))
	c := enrolled(t, api.ConfigOffer{SigningKey: signerA.key(), Config: api.Signed{
		Document: json.RawMessage(document), KeyID: signerA.id, Signature: base64.StdEncoding.EncodeToString(signature),
	}})
	if c.BaseURL != "https://x" {
		t.Errorf("got %+v", c)
	}
}

// Whatever byte of what is signed is another one, the file is refused.
func TestTamperedByte(t *testing.T) {
	t.Parallel()
	c := enrolled(t, signerA.offer(nil))
	text, err := c.encode()
	if err != nil {
		t.Fatal(err)
	}
	document := text[bytes.Index(text, []byte(`"document": `))+len(`"document": `):]
	document = document[:bytes.Index(document, []byte(`"key_id"`))]
	for _, part := range [][]byte{document, []byte(c.signed.Signature), []byte(c.signed.KeyID + `"`), []byte(c.SigningKey.PublicKey)} {
		if bytes.Count(text, part) == 0 || len(part) < 8 {
			t.Fatalf("no %q in %s", part, text)
		}
		for from := range text {
			if !bytes.HasPrefix(text[from:], part) {
				continue
			}
			for at := from; at < from+len(part); at++ {
				for _, flip := range []byte{1, 2, 0x20, 0x80} {
					tampered := bytes.Clone(text)
					tampered[at] ^= flip
					if got, err := parseConfig(tampered); err == nil {
						t.Errorf("byte %d ^ %#x: taken, as %+v:\n%s", at, flip, got, tampered)
					}
				}
			}
		}
	}
}

func TestHalfOfASignature(t *testing.T) {
	t.Parallel()
	for _, gone := range []string{"signing_key", "config"} {
		text, err := enrolled(t, signerA.offer(nil)).encode()
		if err != nil {
			t.Fatal(err)
		}
		members := map[string]json.RawMessage{}
		if err := json.Unmarshal(text, &members); err != nil {
			t.Fatal(err)
		}
		delete(members, gone)
		members["base_url"] = json.RawMessage(`"https://evil.example"`)
		text, err = json.Marshal(members)
		if err != nil {
			t.Fatal(err)
		}
		if c, err := parseConfig(text); err == nil || !strings.Contains(err.Error(), "is gone") {
			t.Errorf("without %s: got %+v, %v", gone, c, err)
		}
	}
	for _, member := range []string{"{}", `{"key_id":"","public_key":""}`} {
		text := `{"api_key":"` + someKey + `","base_url":"https://evil.example","signing_key":` + member + `,"config":{"document":{},"signature":""}}`
		if c, err := parseConfig([]byte(text)); err == nil {
			t.Errorf("signing key %s: got %+v", member, c)
		}
	}
}

func TestWantsRefetch(t *testing.T) {
	t.Parallel()
	c := enrolled(t, signerA.offer(nil))
	c.etag = "tag"
	for days, want := range map[int]bool{-1: false, 0: false, 19: false, 20: true, 29: true, 31: true, 730: true} {
		if got := c.wantsRefetch(daysLater(days).Time); got != want {
			t.Errorf("after %d days: got %v", days, got)
		}
		if got := c.configETag(daysLater(days).Time); (got == "tag") == want || got != "" && got != "tag" {
			t.Errorf("after %d days: got ETag %q", days, got)
		}
	}
	if c := (&Config{etag: "tag"}); !c.wantsRefetch(theDay) || c.configETag(theDay) != "" {
		t.Error("an unsigned one is thought current")
	}
	backwards := enrolled(t, signerA.offer(func(h *api.HostConfig) { h.IssuedAt = daysLater(60) }))
	if backwards.wantsRefetch(daysLater(29).Time) || !backwards.wantsRefetch(daysLater(30).Time) {
		t.Error("one that expires before it was issued has another end than its own")
	}
}

func TestSuccessors(t *testing.T) {
	t.Parallel()
	all := []api.Signed{signerA.before(signerB), signerB.before(signerC), signerC.before(signerD)}
	later := func(h *api.HostConfig) { h.IssuedAt = daysLater(1) }
	for name, c := range map[string]struct {
		pinned signer
		offer  api.ConfigOffer
		want   string // id of the key that is trusted then; "": the offer is refused
	}{
		"none needed":            {signerA, signerA.offer(later), signerA.id},
		"all of three":           {signerA, signerD.offer(later, all...), signerD.id},
		"the last one":           {signerC, signerD.offer(later, all...), signerD.id},
		"arrived":                {signerD, signerD.offer(later, all...), signerD.id},
		"back again":             {signerA, signerA.offer(later, signerA.before(signerB), signerB.before(signerA)), signerA.id},
		"no statement":           {signerA, signerB.offer(later), ""},
		"a link is missing":      {signerA, signerD.offer(later, all[0], all[2]), ""},
		"a link by a stranger":   {signerA, signerD.offer(later, signerD.before(signerD)), ""},
		"in another order":       {signerA, signerD.offer(later, all[2], all[1], all[0]), ""},
		"followed too far":       {signerA, signerC.offer(later, all...), ""},
		"a stranger":             {signerD, signerB.offer(later, signerA.before(signerB)), ""},
		"another purpose":        {signerA, signerB.offer(later, signerA.sign(api.PurposeClientBuild, signerB.key())), ""},
		"about no key":           {signerA, signerB.offer(later, signerA.sign(api.PurposeSigningKey, "b")), ""},
		"a key under a known id": {signerA, signer{id: signerA.id, private: signerB.private}.offer(later), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			held := enrolled(t, c.pinned.offer(nil))
			next, err := held.follow(c.offer, theDay)
			switch {
			case c.want == "" && (next != nil || err == nil || !strings.Contains(err.Error(), "not signed with the key")):
				t.Errorf("got %+v, %v", next, err)
			case c.want != "" && (err != nil || reread(t, next).SigningKey.KeyID != c.want):
				t.Errorf("got %+v, %v, want key %s", next, err, c.want)
			}
			if held.SigningKey != c.pinned.key() {
				t.Error("the held configuration was changed")
			}
		})
	}
}

// A trusted key's word is not enough for everything.
func TestFollowRefuses(t *testing.T) {
	t.Parallel()
	held := enrolled(t, signerA.offer(nil))
	for name, c := range map[string]struct {
		change func(*api.HostConfig)
		says   string
	}{
		"another installation": {func(h *api.HostConfig) { h.InstallationID = "other" }, "it is of installation other"},
		"no installation":      {func(h *api.HostConfig) { h.InstallationID = "" }, "it is of installation"},
		"another host":         {func(h *api.HostConfig) { h.FQDN = "build8.example" }, "it is for build8.example"},
		"plain http":           {func(h *api.HostConfig) { h.BaseURL = "http://codex.example.net" }, "gives up https"},
		"plain http at home":   {func(h *api.HostConfig) { h.BaseURL = "http://127.0.0.1" }, "gives up https"},
		"no address":           {func(h *api.HostConfig) { h.BaseURL = "https:" }, "not an address of a gateway"},
		"with a password":      {func(h *api.HostConfig) { h.BaseURL = "https://a:b@codex.example.net" }, "not an address of a gateway"},
		"an older one":         {func(h *api.HostConfig) { h.IssuedAt = daysLater(-1) }, "older than the one that is here"},
		"one without time":     {func(h *api.HostConfig) { h.IssuedAt = api.Time{} }, "older than the one that is here"},
		"no authority":         {func(h *api.HostConfig) { h.CA = "nonsense" }, "ca is not PEM"},
	} {
		if next, err := held.follow(signerA.offer(c.change), theDay); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %+v, %v", name, next, err)
		}
	}
	if _, err := held.follow(api.ConfigOffer{Config: signerA.sign(api.PurposeHostConfig, []string{"x"})}, theDay); err == nil {
		t.Error("a document of another shape was taken")
	}
}

// A host that was renamed follows from each of the names it had; a name of another host's is none of them.
func TestFollowANewName(t *testing.T) {
	t.Parallel()
	held := enrolled(t, signerA.offer(nil))
	renamed := func(name string, formerly ...string) api.ConfigOffer {
		return signerA.offer(func(h *api.HostConfig) { h.FQDN, h.PreviousFQDNs = name, formerly })
	}
	c := held.must(t, renamed("new.example", "older.example", "BUILD7.example"))
	if c.FQDN != "new.example" || c.APIKey != someKey {
		t.Errorf("got %+v", c)
	}
	if back := c.must(t, renamed("build7.example", "new.example")); back.FQDN != "build7.example" {
		t.Errorf("got %+v", back)
	}
	for name, offer := range map[string]api.ConfigOffer{
		"no names":         renamed("new.example"),
		"another's":        renamed("new.example", "build8.example", "build7.example.org", ""),
		"another's signed": signerB.offer(func(h *api.HostConfig) { h.FQDN, h.PreviousFQDNs = "new.example", []string{"build7.example"} }),
	} {
		if next, err := held.follow(offer, theDay); err == nil {
			t.Errorf("%s: got %+v", name, next)
		}
	}
	// What it once was called says nothing about what it is called now.
	if next, err := c.follow(signerA.offer(nil), theDay); err == nil {
		t.Errorf("an answer from before the renaming was taken: %+v", next)
	}
}

// A gateway whose clock was ahead must not have the last word until that time has come.
func TestOneFromTheFutureIsFollowed(t *testing.T) {
	t.Parallel()
	held := enrolled(t, signerA.offer(func(h *api.HostConfig) { h.IssuedAt = daysLater(700) }))
	if next := held.must(t, signerA.offer(nil)); !next.issued.Equal(theDay) {
		t.Errorf("got one of %s", next.issued)
	}
}

func TestAutoUpdateOffSticks(t *testing.T) {
	t.Parallel()
	off := func(h *api.HostConfig) { h.AutoUpdate = false }
	c := enrolled(t, signerA.offer(nil))
	if !c.AutoUpdate {
		t.Error("it is off from the start")
	}
	c = c.must(t, signerA.offer(off))
	if c.AutoUpdate {
		t.Error("it stayed on")
	}
	c = c.must(t, signerA.offer(nil)).must(t, signerB.offer(nil, signerA.before(signerB)))
	if c.AutoUpdate || !c.autoUpdateOff {
		t.Error("a gateway turned it on again")
	}
	if c := enrolled(t, signerA.offer(off)); c.AutoUpdate || c.must(t, signerA.offer(nil)).AutoUpdate {
		t.Error("off at the enrolment did not stick")
	}
	if !enrolled(t, signerA.offer(nil)).AutoUpdate {
		t.Error("an enrolment does not begin anew")
	}
}

func TestReleaseKeyIsPinned(t *testing.T) {
	t.Parallel()
	with := func(key string) func(*api.HostConfig) { return func(h *api.HostConfig) { h.ClientReleaseKey = key } }
	c := enrolled(t, signerA.offer(with("first")))
	for _, key := range []string{"", "second"} {
		if c = c.must(t, signerA.offer(with(key))); c.ReleaseKey != "first" {
			t.Errorf("after %q: got %q", key, c.ReleaseKey)
		}
	}
	if c := enrolled(t, signerA.offer(nil)).must(t, signerA.offer(with("late"))); c.ReleaseKey != "" {
		t.Errorf("a later configuration brought %q", c.ReleaseKey)
	}
}

// oldFile is what a cdx before signatures wrote, and what the script that replaces an old wrapper writes.
const oldFile = `{"base_url":"https://codex.example.net","api_key":"` + someKey + `","fqdn":"build7.example","installation_id":"installation","secure":true}`

func TestAnOldFilePinsAtTheFirstContact(t *testing.T) {
	t.Parallel()
	c, err := parseConfig([]byte(oldFile))
	if err != nil {
		t.Fatal(err)
	}
	if c.BaseURL != "https://codex.example.net" || c.FQDN != "build7.example" || c.InstallationID != "installation" || !c.Secure ||
		c.AutoUpdate || c.isSigned() || c.roots != nil {
		t.Errorf("got %+v", c)
	}
	if c = reread(t, c); c.FQDN != "build7.example" || !c.Secure {
		t.Errorf("written again, got %+v", c)
	}
	for _, stranger := range []func(*api.HostConfig){
		func(h *api.HostConfig) { h.InstallationID = "other" }, func(h *api.HostConfig) { h.BaseURL = "http://127.0.0.1" },
	} {
		if next, err := c.follow(signerA.offer(stranger), theDay); err == nil {
			t.Errorf("got %+v", next)
		}
	}
	// What an offer says about successors is for those who have pinned already.
	c = c.must(t, signerA.offer(func(h *api.HostConfig) { h.ClientReleaseKey = "release" }, signerA.before(signerB)))
	if c.SigningKey != signerA.key() || c.ReleaseKey != "release" || !c.AutoUpdate || c.APIKey != someKey {
		t.Errorf("got %+v", c)
	}
	// From then on the offer's own word counts for nothing.
	if next, err := c.follow(signerB.offer(nil), theDay); err == nil {
		t.Errorf("the pin was replaced: %+v", next)
	}
}

// An enrolment that is signed has to be signed well; one that is not is taken as before.
func TestEnrolmentAnswers(t *testing.T) {
	t.Parallel()
	good := signerA.offer(nil)
	for name, answer := range map[string]api.EnrolResponse{
		"another key":  {SigningKey: signerB.key(), Config: good.Config},
		"no key":       {Config: good.Config},
		"no document":  {SigningKey: signerA.key()},
		"unacceptable": {SigningKey: signerA.key(), Config: signerA.offer(func(h *api.HostConfig) { h.BaseURL = "http://codex.example.net" }).Config},
	} {
		answer.BaseURL, answer.APIKey = "https://codex.example.net", someKey
		if c, err := configFrom(&answer, "", theDay); err == nil {
			t.Errorf("%s: got %+v", name, c)
		}
	}
	c, err := configFrom(&api.EnrolResponse{BaseURL: "https://codex.example.net/", APIKey: someKey, FQDN: "x"}, "", theDay)
	if err != nil || c.BaseURL != "https://codex.example.net" || reread(t, c).isSigned() {
		t.Errorf("got %+v, %v", c, err)
	}
}

// kept writes c to a file and reads it as the next run does.
func kept(t *testing.T, c *Config) *Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "host.json")
	text, err := c.encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return onDisk(t, path)
}

func onDisk(t *testing.T, path string) *Config {
	t.Helper()
	c, err := readConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func blockOf(t *testing.T, etag string, offer api.ConfigOffer) api.Block {
	t.Helper()
	data, err := json.Marshal(offer)
	if err != nil {
		t.Fatal(err)
	}
	return api.Block{ETag: etag, Data: data}
}

// appAt is a cdx whose clock stands still.
func appAt(now time.Time) *app {
	return &app{Invocation: Invocation{Now: func() time.Time { return now }}}
}

// Expired means one question, not one after the other; that the clock is years ahead is no reason to stop.
func TestExpiredOnDisk(t *testing.T) {
	t.Parallel()
	c := kept(t, enrolled(t, signerA.offer(nil)))
	after := daysLater(31).Time
	if c.configETag(after) != "" {
		t.Fatal("it is thought current")
	}
	fresh := blockOf(t, "tag", signerA.offer(func(h *api.HostConfig) { h.IssuedAt, h.ExpiresAt = daysLater(31), daysLater(61) }))
	if note := appAt(after).followConfig(c, fresh); note != "" {
		t.Error(note)
	}
	if got := onDisk(t, c.path).configETag(after); got != "tag" {
		t.Errorf("got ETag %q: it asks again", got)
	}
	if note := appAt(after).followConfig(c, api.Block{ETag: "tag"}); note != "" {
		t.Error(note)
	}
	muchLater := daysLater(761).Time
	now := onDisk(t, c.path)
	if now.configETag(muchLater) != "" {
		t.Error("it does not ask")
	}
	if note := appAt(muchLater).followConfig(now, fresh); note != "" {
		t.Error(note)
	}
	if got := onDisk(t, c.path); got.BaseURL != "https://codex.example.net" {
		t.Errorf("got %+v", got)
	}
}

func TestFollowConfigWritesWhatChanged(t *testing.T) {
	t.Parallel()
	c := kept(t, enrolled(t, signerA.offer(nil)))
	app := appAt(theDay)
	take := func(etag string, offer api.ConfigOffer) os.FileInfo {
		t.Helper()
		if note := app.followConfig(c, blockOf(t, etag, offer)); note != "" {
			t.Error(note)
		}
		info, err := os.Stat(c.path)
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	first := take("1", signerA.offer(nil))
	if again := take("1", signerA.offer(nil)); !os.SameFile(first, again) {
		t.Error("the same again was written again")
	}
	// A run goes on with what it began with, and may hear of more than one change.
	take("2", signerB.offer(func(h *api.HostConfig) { h.Secure = false }, signerA.before(signerB)))
	take("3", signerC.offer(func(h *api.HostConfig) { h.IPv4Only = true }, signerA.before(signerB), signerB.before(signerC)))
	if got := onDisk(t, c.path); got.SigningKey != signerC.key() || !got.IPv4Only || got.configETag(theDay) != "3" || c.IPv4Only || c.SigningKey != signerA.key() {
		t.Errorf("got %+v, and the run's own %+v", got, c)
	}
	// A refused one is said each time it comes, and leaves its ETag unknown.
	for range 2 {
		note := app.followConfig(c, blockOf(t, "4", signerD.offer(nil)))
		if !strings.HasPrefix(note, "the gateway's new configuration was not taken: it is not signed with") {
			t.Errorf("got note %q", note)
		}
	}
	for _, nonsense := range []string{"null", "[]", "7", `{"config":{"document":"x"}}`} {
		if note := app.followConfig(c, api.Block{ETag: "5", Data: json.RawMessage(nonsense)}); note == "" {
			t.Errorf("%s was followed", nonsense)
		}
	}
	if got := onDisk(t, c.path); got.etag != "3" {
		t.Errorf("got ETag %q", got.etag)
	}
}

// A machine that was enrolled anew meanwhile, or is no host any more, has nothing to do with what an older run hears.
func TestFollowConfigAfterANewEnrolment(t *testing.T) {
	t.Parallel()
	c := kept(t, enrolled(t, signerA.offer(nil)))
	offer := blockOf(t, "1", signerB.offer(nil, signerA.before(signerB)))
	anew := strings.Replace(oldFile, someKey, strings.ToUpper(someKey), 1)
	if err := os.WriteFile(c.path, []byte(anew), 0o600); err != nil {
		t.Fatal(err)
	}
	if note := appAt(theDay).followConfig(c, offer); note != "" {
		t.Error(note)
	}
	if text, err := os.ReadFile(c.path); err != nil || string(text) != anew {
		t.Errorf("got %s, %v", text, err)
	}
	if err := os.Remove(c.path); err != nil {
		t.Fatal(err)
	}
	if note := appAt(theDay).followConfig(c, offer); note != "" {
		t.Error(note)
	}
	if entries, err := os.ReadDir(filepath.Dir(c.path)); err != nil || len(entries) != 0 {
		t.Errorf("got %v, %v", entries, err)
	}
}

// A file that changed while the new one was being written is the newer one.
func TestKeepSpares(t *testing.T) {
	t.Parallel()
	held := kept(t, enrolled(t, signerA.offer(nil)))
	next := held.must(t, signerA.offer(func(h *api.HostConfig) { h.IPv4Only = true }))
	if err := os.WriteFile(held.path, []byte(oldFile), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := next.keep(held, theDay); err == nil {
		t.Error("got no error")
	}
	if text, err := os.ReadFile(held.path); err != nil || string(text) != oldFile {
		t.Errorf("got %s, %v", text, err)
	}
	if entries, err := os.ReadDir(filepath.Dir(held.path)); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// However many follow at once, the file is always one that opens.
func TestFollowConfigAtOnce(t *testing.T) {
	t.Parallel()
	c := kept(t, enrolled(t, signerA.offer(nil)))
	var all sync.WaitGroup
	for i := range 16 {
		block := blockOf(t, fmt.Sprint(i), signerA.offer(func(h *api.HostConfig) { h.IssuedAt = daysLater(i) }))
		all.Go(func() {
			if note := appAt(daysLater(20).Time).followConfig(c, block); note != "" && !strings.Contains(note, "older than") {
				t.Error(note)
			}
		})
		all.Go(func() {
			if _, err := readConfig(c.path); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if entries, err := os.ReadDir(filepath.Dir(c.path)); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
	if got := onDisk(t, c.path); got.etag == "" {
		t.Error("nothing was written")
	}
}

// A fuzzed file is refused or is one that works; nothing panics.
func FuzzConfig(f *testing.F) {
	signed, err := configFrom(&api.EnrolResponse{APIKey: someKey, SigningKey: signerA.key(), Config: signerA.offer(nil).Config}, "", theDay)
	if err != nil {
		f.Fatal(err)
	}
	text, err := signed.encode()
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{string(text), oldFile, "null", "{}", `{"signing_key":{},"config":{}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := parseConfig(text)
		if err != nil {
			if strings.Contains(err.Error(), someKey) {
				t.Errorf("the key shows: %v", err)
			}
			return
		}
		first, err := c.encode()
		if err != nil {
			t.Fatal(err)
		}
		if second, err := reread(t, c).encode(); err != nil || !bytes.Equal(first, second) {
			t.Errorf("got %s, %v, written again %s", first, err, second)
		}
	})
}
