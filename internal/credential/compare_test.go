package credential

import (
	"errors"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/api/jsondoc"
	"github.com/cdxgate/cdxgate/internal/credential/authtest"
	"github.com/cdxgate/cdxgate/internal/errs"
)

func TestDecideRetrieve(t *testing.T) {
	t.Parallel()
	current := &Version{Digest: Digest{1}, RefreshedAt: testNow}
	older, newer := testNow.Add(-time.Microsecond), testNow.Add(time.Microsecond)
	for _, c := range []struct {
		row    string
		ours   *Version
		digest Digest
		at     time.Time
		want   Verdict
	}{
		{"R1", nil, Digest{1}, testNow, Missing},
		{"R2 same time", current, Digest{1}, testNow, Valid},
		{"R2 host older", current, Digest{1}, older, Valid},
		{"R2 host newer", current, Digest{1}, newer, Valid},
		{"R3", current, Digest{2}, newer, UploadRequired},
		{"R4", current, Digest{2}, testNow, UploadRequired},
		{"R4 other zone", current, Digest{2}, testNow.In(time.FixedZone("", 3600)), UploadRequired},
		{"R5", current, Digest{2}, older, Outdated},
		{"R5 no file", current, Digest{2}, oldestRefresh, Outdated},
	} {
		if got := DecideRetrieve(c.ours, c.digest, c.at); got != c.want {
			t.Errorf("%s: got %s, want %s", c.row, got, c.want)
		}
	}
}

func TestDecideStore(t *testing.T) {
	t.Parallel()
	base := Version{
		Digest: Digest{1}, RefreshedAt: testNow, ChatGPTAccountID: "acct-1", AccessSHA256: []byte{1}, RefreshSHA256: []byte{1},
	}
	with := func(change func(*Version)) *Document {
		d := &Document{Version: base}
		d.Digest, d.AccessSHA256, d.RefreshSHA256 = Digest{2}, []byte{2}, []byte{2}
		change(&d.Version)
		return d
	}
	at := func(offset time.Duration) func(*Version) {
		return func(v *Version) { v.RefreshedAt = testNow.Add(offset) }
	}
	sameTokensAt := func(offset time.Duration) *Document {
		return with(func(v *Version) {
			v.RefreshedAt, v.AccessSHA256, v.RefreshSHA256 = testNow.Add(offset), []byte{1}, []byte{1}
		})
	}
	placeholder := func(d *Document) *Document {
		d.Placeholder = true
		return d
	}
	bare := Version{Digest: Digest{1}, RefreshedAt: testNow}
	bareAt := func(offset time.Duration) *Document {
		return &Document{Version: Version{Digest: Digest{2}, RefreshedAt: testNow.Add(offset)}}
	}
	otherAccount := func(v *Version) { v.ChatGPTAccountID, v.RefreshedAt = "acct-2", testNow.Add(time.Hour) }
	const tick = time.Microsecond

	for _, c := range []struct {
		row     string
		current *Version
		upload  *Document
		hint    Digest
		want    Verdict
		err     error
	}{
		{"S1", nil, with(at(-time.Hour)), Digest{}, Updated, nil},
		{"S1 placeholder", nil, placeholder(with(at(0))), Digest{}, "", ErrPlaceholder},
		{"S2", &base, with(at(tick)), Digest{}, Updated, nil},
		{"S2 with a stale hint", &base, with(at(tick)), Digest{9}, Updated, nil},
		{"S3", &base, &Document{Version: base, Received: Digest{1}}, Digest{}, Unchanged, nil},
		{"S3 hint is current", &base, &Document{Version: base, Received: Digest{1}}, Digest{1}, Unchanged, nil},
		{"S3 not yet canonical", &base, &Document{Version: base, Received: Digest{3}}, Digest{}, Unchanged, nil},
		{"S3 not yet canonical, stale hint", &base, &Document{Version: base, Received: Digest{3}}, Digest{9}, Unchanged, nil},
		{"S3 not yet canonical, hint is current", &base, &Document{Version: base, Received: Digest{3}}, Digest{1}, Outdated, nil},
		{"S4 hint is current", &base, with(at(0)), Digest{1}, Updated, nil},
		{"S4 no hint", &base, with(at(0)), Digest{}, Outdated, nil},
		{"S4 stale hint", &base, with(at(0)), Digest{9}, Outdated, nil},
		{"S4 hint is the upload's", &base, with(at(0)), Digest{2}, Outdated, nil},
		{"S5", &base, with(at(-tick)), Digest{}, Outdated, nil},
		{"S5 hint is current", &base, with(at(-tick)), Digest{1}, Outdated, nil},

		{"other account, newer", &base, with(otherAccount), Digest{1}, "", ErrAccountMismatch},
		{"other account, placeholder", &base, placeholder(with(otherAccount)), Digest{}, "", ErrAccountMismatch},
		{"upload names no account", &base, with(func(v *Version) { v.ChatGPTAccountID = ""; at(tick)(v) }), Digest{}, Updated, nil},
		{"current names no account", &bare, with(at(tick)), Digest{}, Updated, nil},

		{"same tokens, newer", &base, sameTokensAt(time.Hour), Digest{1}, Outdated, nil},
		{"same tokens, same time, hint is current", &base, sameTokensAt(0), Digest{1}, Outdated, nil},
		{"same tokens, older", &base, sameTokensAt(-tick), Digest{}, Outdated, nil},
		{"same access token only", &base, with(func(v *Version) { v.AccessSHA256 = []byte{1}; at(tick)(v) }), Digest{}, Updated, nil},
		{"same refresh token only", &base, with(func(v *Version) { v.RefreshSHA256 = []byte{1}; at(tick)(v) }), Digest{}, Updated, nil},
		{"no tokens on either side", &bare, bareAt(tick), Digest{}, Updated, nil},

		{"placeholder, access token current", &base, placeholder(with(func(v *Version) { v.AccessSHA256 = []byte{1}; at(tick)(v) })), Digest{1}, Unchanged, nil},
		{"placeholder, newer", &base, placeholder(with(at(tick))), Digest{1}, Outdated, nil},
		{"placeholder, same time, hint is current", &base, placeholder(with(at(0))), Digest{1}, Outdated, nil},
		{"placeholder without access token", &bare, placeholder(bareAt(tick)), Digest{}, Outdated, nil},
	} {
		got, err := DecideStore(c.current, c.upload, c.hint)
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: got %q, %v, want %q, %v", c.row, got, err, c.want, c.err)
		}
	}
}

func TestDecideAdminUpload(t *testing.T) {
	t.Parallel()
	current := &Version{Digest: Digest{1}, RefreshedAt: testNow, ChatGPTAccountID: "acct-1", AccessSHA256: []byte{1}, RefreshSHA256: []byte{1}}
	older := &Document{Version: *current}
	older.Digest, older.RefreshedAt, older.ChatGPTAccountID = Digest{2}, testNow.Add(-time.Hour), "acct-2"
	for _, c := range []struct {
		name    string
		current *Version
		upload  *Document
		want    Verdict
		err     error
	}{
		{"first", nil, older, Updated, nil},
		{"older, other account", current, older, Updated, nil},
		{"same bytes", current, &Document{Version: *current}, Unchanged, nil},
		{"placeholder", current, &Document{Version: older.Version, Placeholder: true}, "", ErrPlaceholder},
		{"first placeholder", nil, &Document{Placeholder: true}, "", ErrPlaceholder},
	} {
		got, err := DecideAdminUpload(c.current, c.upload)
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: got %q, %v, want %q, %v", c.name, got, err, c.want, c.err)
		}
	}
}

// A deployed client repeats retrieve, store, write what came back. Whatever Codex did to the file, two rounds must do.
func TestDeployedClientsSettle(t *testing.T) {
	t.Parallel()
	when := testTime(2026, 11, 1, 0, 0, 0, 123456789)
	for _, c := range []struct {
		name string
		file authtest.Options
	}{
		{"auths dropped", authtest.Options{LastRefresh: when, IssuedAt: when}},
		{"last_refresh touched", authtest.Options{LastRefresh: when.Add(time.Hour), IssuedAt: when}},
		{"last_refresh touched by nanoseconds", authtest.Options{LastRefresh: when.Add(100), IssuedAt: when}},
		{"last_refresh set back", authtest.Options{LastRefresh: when.Add(-time.Hour), IssuedAt: when}},
		{"refreshed", authtest.Options{LastRefresh: when.Add(time.Hour)}},
		{"refreshed within the same microsecond", authtest.Options{LastRefresh: when.Add(100), SessionID: "other"}},
		{"older login", authtest.Options{LastRefresh: when.Add(-time.Hour)}},
	} {
		canonical := mustCanonicalise(t, string(authtest.New(authtest.Options{LastRefresh: when, IssuedAt: when})))
		file := authtest.New(c.file)
		var verdicts []Verdict
		for range 3 {
			parsed, err := Read(file)
			if err != nil {
				t.Fatal(err)
			}
			reported := jsondoc.DigestOf(parsed) // of the file as it is, which has no auths when Codex wrote it
			upload := mustCanonicalise(t, string(file))
			if upload.Received != reported {
				t.Fatalf("%s: got Received %s, want what the client reports: %s", c.name, upload.Received, reported)
			}
			verdict := DecideRetrieve(&canonical.Version, reported, upload.RefreshedAt)
			verdicts = append(verdicts, verdict)
			if verdict.Action() == "store" {
				if verdict, err = DecideStore(&canonical.Version, upload, canonical.Digest); err != nil {
					t.Fatalf("%s: %v", c.name, err)
				}
				verdicts = append(verdicts, verdict)
				if verdict == Updated {
					canonical = upload
				}
			}
			if verdict.CarriesAuth() {
				file = canonical.Body
			}
		}
		if last := verdicts[len(verdicts)-1]; last != Valid || verdicts[len(verdicts)-2] != Valid {
			t.Errorf("%s: got %v, want it to end with valid, valid", c.name, verdicts)
		}
	}
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		verdict Verdict
		carries bool
		action  string
	}{
		{Missing, false, "store"},
		{Valid, false, ""},
		{UploadRequired, false, "store"},
		{Outdated, true, ""},
		{Updated, true, ""},
		{Unchanged, false, ""},
	} {
		if c.verdict.CarriesAuth() != c.carries || c.verdict.Action() != c.action {
			t.Errorf("%s: got %v, %q, want %v, %q", c.verdict, c.verdict.CarriesAuth(), c.verdict.Action(), c.carries, c.action)
		}
	}
}

func TestRefusalsAreValidationErrors(t *testing.T) {
	t.Parallel()
	for field, err := range map[string]*errs.Error{"auth": ErrAccountMismatch, "auth.tokens.refresh_token": ErrPlaceholder} {
		if err.Kind != errs.Invalid || err.Message != "Validation failed" || len(err.Fields[field]) != 1 || err.Code == "validation_failed" {
			t.Errorf("got %+v, want a 422 about %s with a code of its own", err, field)
		}
	}
}
