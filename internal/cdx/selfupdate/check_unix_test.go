//go:build unix

package selfupdate

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"os"
	"strings"
	"testing"

	"aead.dev/minisign"

	"github.com/cdxgate/cdxgate/internal/api"
)

func TestCheckVersions(t *testing.T) {
	t.Parallel()
	const take, nothing, refuse = "take", "nothing", "refuse"
	for _, c := range []struct {
		offered, current, highest string
		rollback                  bool
		want                      string
	}{
		{"1.4.0", "1.3.0", "1.3.0", false, take},
		{"1.4.0", "1.3.0", "", false, take},
		{"1.3.0", "1.3.0", "1.3.0", false, nothing}, // other content, same version
		{"1.3.0", "1.3.0", "9.0.0", false, nothing},
		{"1.3.0+b", "1.3.0+a", "", false, nothing},
		{"1.2.0", "1.3.0", "1.3.0", false, refuse},
		{"1.2.0", "1.3.0", "", false, refuse},
		{"1.2.0", "1.3.0", "1.3.0", true, take},
		{"1.4.0", "1.3.0", "1.5.0", false, refuse}, // rolled back before, and now a way up that is still below
		{"1.5.0", "1.3.0", "1.5.0", false, take},
		{"1.10.0", "1.9.0", "1.9.0", false, take},
		{"1.4.0-rc.1", "1.4.0", "1.4.0", false, refuse},
		{"1.4.0", "1.4.0-rc.1", "1.4.0-rc.1", false, take},
		// Development builds: the same version has other content tomorrow.
		{"0.1.0-dev", "0.1.0-dev", "0.1.0-dev", false, take},
		{"dev", "dev", "dev", false, take},
		{"dev", "dev", "1.4.0", false, refuse},
		{"dev", "1.4.0", "1.4.0", false, refuse},
		{"1.4.0", "dev", "", false, take},
		{"1.4.0", "0.1.0-dev", "0.1.0-dev", false, take},
		{"0.1.0-dev", "1.4.0", "1.4.0", false, refuse},
		// What git describe says.
		{"1.4.0-3-gc0ffee0", "1.4.0", "1.4.0", false, take},
		{"1.4.0-12-gc0ffee0", "1.4.0-3-gc0ffee0", "1.4.0-3-gc0ffee0", false, take},
		{"1.4.0", "1.4.0-3-gc0ffee0", "1.4.0-3-gc0ffee0", false, refuse},
		{"1.4.1", "1.4.0-3-gc0ffee0", "1.4.0-3-gc0ffee0", false, take},
		{"1.4.0-3-gc0ffee0-dirty", "1.4.0-3-gc0ffee0", "1.4.0-3-gc0ffee0", false, take},
	} {
		r := newRig(t)
		r.job.Current.Version, r.job.Current.Highest = c.current, c.highest
		r.offer(func(b *api.ClientBuild) { b.Version, b.Rollback = c.offered, c.rollback })
		u, err := r.check()
		got := take
		switch {
		case u == nil && err == nil:
			got = nothing
		case errors.Is(err, ErrDowngrade):
			got = refuse
		case u == nil || u.Version != c.offered || u.Rollback != c.rollback:
			t.Errorf("%+v: got %+v, %v", c, u, err)
		}
		if got != c.want {
			t.Errorf("%+v: got %s", c, got)
		}
	}
}

func TestSameContentIsNoUpdate(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if err := os.WriteFile(r.path, r.body, 0o700); err != nil {
		t.Fatal(err)
	}
	if u, err := r.check(); u != nil || err != nil {
		t.Errorf("got %+v, %v, want nothing to do", u, err)
	}
}

func TestCheckRefuses(t *testing.T) {
	t.Parallel()
	_, strangers, _ := ed25519.GenerateKey(nil)
	public, _, _ := ed25519.GenerateKey(nil)
	for name, c := range map[string]struct {
		edit func(*rig)
		want error
	}{
		"no signature": {func(r *rig) { r.job.Offer.Build.Signature = "" }, api.ErrSignature},
		"nothing":      {func(r *rig) { r.job.Offer = api.ClientOffer{} }, api.ErrSignature},
		"a stranger's signature": {func(r *rig) {
			r.signing = strangers
			r.offer(nil)
		}, api.ErrSignature},
		"a changed document": {func(r *rig) {
			text := strings.Replace(string(r.job.Offer.Build.Document), "1.4.0", "1.4.1", 1)
			r.job.Offer.Build.Document = []byte(text)
		}, api.ErrSignature},
		"another key's name": {func(r *rig) { r.job.Offer.Build.KeyID = "k2" }, api.ErrSignature},
		"no key trusted":     {func(r *rig) { r.job.Trust.Keys = nil }, api.ErrSignature},
		"another key trusted": {func(r *rig) {
			r.job.Trust.Keys = []api.SigningKey{{KeyID: "k1", PublicKey: base64.StdEncoding.EncodeToString(public)}}
		}, api.ErrSignature},
		"another purpose": {func(r *rig) {
			var described api.ClientBuild
			if err := r.job.Offer.Build.Open(api.PurposeClientBuild, r.job.Trust.Keys[0], &described); err != nil {
				r.t.Fatal(err)
			}
			r.job.Offer.Build = r.sign(api.PurposeHostConfig, described)
		}, api.ErrSignature},
		"another platform": {func(r *rig) { r.offer(func(b *api.ClientBuild) { b.Platform = "darwin-arm64" }) }, ErrNotOurs},
		"another program":  {func(r *rig) { r.offer(func(b *api.ClientBuild) { b.Name = "codex" }) }, ErrNotOurs},
		"no version":       {func(r *rig) { r.offer(func(b *api.ClientBuild) { b.Version = "" }) }, ErrNotOurs},
		"a version for terminals": {func(r *rig) {
			r.offer(func(b *api.ClientBuild) { b.Version = "1.4.0\x1b[2J" })
		}, ErrNotOurs},
		"an endless version": {func(r *rig) { r.offer(func(b *api.ClientBuild) { b.Version = strings.Repeat("1", 65) }) }, ErrNotOurs},
		"no digest":          {func(r *rig) { r.offer(func(b *api.ClientBuild) { b.SHA256 = "" }) }, ErrNotOurs},
		"half a digest":      {func(r *rig) { r.offer(func(b *api.ClientBuild) { b.SHA256 = b.SHA256[:32] }) }, ErrNotOurs},
		"a digest in capitals": {func(r *rig) {
			r.offer(func(b *api.ClientBuild) { b.SHA256 = strings.Repeat("A", 64) })
		}, ErrNotOurs},
		"no size":       {func(r *rig) { r.offer(func(b *api.ClientBuild) { b.SizeBytes = 0 }) }, ErrNotOurs},
		"negative size": {func(r *rig) { r.offer(func(b *api.ClientBuild) { b.SizeBytes = -1 }) }, ErrNotOurs},
		"a huge size":   {func(r *rig) { r.offer(func(b *api.ClientBuild) { b.SizeBytes = maxBuild + 1 }) }, ErrNotOurs},
		"a full URL":    {func(r *rig) { r.job.Offer.URL = "https://example.test/cdx" }, ErrOtherAddress},
		"another host":  {func(r *rig) { r.job.Offer.URL = "//example.test/cdx" }, ErrOtherAddress},
		"a longer host": {func(r *rig) { r.job.Offer.URL = ".example.test/cdx" }, ErrOtherAddress},
		"another user":  {func(r *rig) { r.job.Offer.URL = "@example.test/cdx" }, ErrOtherAddress},
		"no URL":        {func(r *rig) { r.job.Offer.URL = "" }, ErrOtherAddress},
		"control in it": {func(r *rig) { r.job.Offer.URL = "/a\x00b" }, ErrOtherAddress},
		"no executable": {func(r *rig) { r.job.Current.Path += "-gone" }, os.ErrNotExist},
	} {
		r := newRig(t)
		c.edit(r)
		if u, err := r.check(); u != nil || !errors.Is(err, c.want) {
			t.Errorf("%s: got %+v, %v, want %v", name, u, err, c.want)
		}
		r.wantDownloads(0)
	}
}

func TestTheSecondTrustedKeyCounts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	public, _, _ := ed25519.GenerateKey(nil)
	before := api.SigningKey{KeyID: "k0", PublicKey: base64.StdEncoding.EncodeToString(public)}
	r.job.Trust.Keys = append([]api.SigningKey{before}, r.job.Trust.Keys...)
	if u, err := r.check(); u == nil || err != nil {
		t.Errorf("got %+v, %v", u, err)
	}
}

func TestAddressOf(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]string{
		"https://codex.example.net":        "https://codex.example.net/install/x?y",
		"https://codex.example.net:8443":   "https://codex.example.net:8443/install/x?y",
		"https://codex.example.net/prefix": "https://codex.example.net/prefix/install/x?y",
	} {
		if got, err := addressOf(base, "/install/x?y"); got != want || err != nil {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	}
}

func TestReleaseKey(t *testing.T) {
	t.Parallel()
	_, stranger, err := minisign.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	const comment = "cdx 1.4.0 linux-amd64"
	for name, c := range map[string]struct {
		sign      func(*rig) string
		want      error
		downloads int32 // what shows only when the file is here
	}{
		"signed":          {func(r *rig) string { return minisig(r.release, r.body, comment) }, nil, 1},
		"missing":         {func(*rig) string { return "" }, ErrNoRelease, 0},
		"nonsense":        {func(*rig) string { return "untrusted comment: x\nx\ntrusted comment: x\nx" }, ErrNoRelease, 0},
		"a stranger's":    {func(r *rig) string { return minisig(stranger, r.body, comment) }, ErrNoRelease, 0},
		"another version": {func(r *rig) string { return minisig(r.release, r.body, "cdx 1.4.1 linux-amd64") }, ErrNoRelease, 0},
		"more in the comment": {func(r *rig) string {
			return minisig(r.release, r.body, comment+" ")
		}, ErrNoRelease, 0},
		"another platform": {func(r *rig) string { return minisig(r.release, r.body, "cdx 1.4.0 darwin-arm64") }, ErrNoRelease, 0},
		"another file":     {func(r *rig) string { return minisig(r.release, r.body[1:], comment) }, ErrNoRelease, 1},
		"a forged comment": {func(r *rig) string {
			return strings.Replace(minisig(r.release, r.body, "cdx 1.3.9 linux-amd64"), "1.3.9", "1.4.0", 1)
		}, ErrNoRelease, 1},
		"a stranger's under the right name": {func(r *rig) string {
			ours, theirs := minisig(r.release, r.body, comment), minisig(stranger, r.body, comment)
			var s, id minisign.Signature
			if err := errors.Join(s.UnmarshalText([]byte(theirs)), id.UnmarshalText([]byte(ours))); err != nil {
				panic(err)
			}
			s.KeyID = id.KeyID
			return s.String()
		}, ErrNoRelease, 1},
		"of the older kind": {func(r *rig) string {
			return string(minisign.SignWithComments(r.release, r.body, comment, "untrusted"))
		}, ErrNoRelease, 0},
		"too large": {func(r *rig) string {
			return "untrusted comment: " + strings.Repeat("x", maxMinisig) + minisig(r.release, r.body, comment)[len("untrusted comment: "):]
		}, ErrNoRelease, 0},
	} {
		r := newRig(t)
		r.pin()
		r.job.Offer.Minisig = c.sign(r)
		if err := r.apply(); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
		r.wantDownloads(c.downloads)
		r.wantNothingBeside()
		if c.want == nil {
			r.wantRunning("1.4.0")
		} else {
			r.wantRunning("1.3.0")
		}
	}
}

// A key that cannot be understood must not mean that none is asked for.
func TestABrokenReleaseKeyTakesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.job.Trust.ReleaseKey = "RWQ"
	r.job.Offer.Minisig = minisig(r.release, r.body, "cdx 1.4.0 linux-amd64")
	if u, err := r.check(); u != nil || !errors.Is(err, ErrReleaseKey) {
		t.Errorf("got %+v, %v, want ErrReleaseKey", u, err)
	}
	r.pin()
	r.job.Trust.ReleaseKey = "untrusted comment: minisign public key\n" + r.job.Trust.ReleaseKey + "\n" // a whole file
	if u, err := r.check(); u == nil || err != nil {
		t.Errorf("a whole key file: got %+v, %v", u, err)
	}
}

func TestHigher(t *testing.T) {
	t.Parallel()
	for _, c := range [][3]string{
		{"", "1.4.0", "1.4.0"}, {"1.4.0", "", "1.4.0"}, {"1.9.0", "1.10.0", "1.10.0"}, {"dev", "1.4.0", "1.4.0"}, {"1.4.0", "dev", "1.4.0"},
	} {
		if got := Higher(c[0], c[1]); got != c[2] {
			t.Errorf("Higher(%q, %q): got %q", c[0], c[1], got)
		}
	}
}
