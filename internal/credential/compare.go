package credential

import (
	"bytes"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/errs"
)

// Refusals of an upload.
var (
	ErrAccountMismatch = &errs.Error{
		Kind: errs.Invalid, Code: "account_mismatch", Message: "Validation failed",
		Fields: map[string][]string{"auth": {"this login belongs to another ChatGPT account than the fleet's; an admin can upload it if the fleet is to change accounts"}},
	}
	ErrPlaceholder = &errs.Error{
		Kind: errs.Invalid, Code: "placeholder_token", Message: "Validation failed",
		Fields: map[string][]string{"auth.tokens.refresh_token": {"refresh_token is a placeholder made for a host; upload the file that codex login wrote"}},
	}
)

// Verdict is the status of an answer: what became of a credential, or what the host should do with its own.
type Verdict string

// The verdicts, named as on the wire.
const (
	Missing        Verdict = api.StatusMissing
	Valid          Verdict = api.StatusValid
	UploadRequired Verdict = api.StatusUploadRequired
	Outdated       Verdict = api.StatusOutdated
	Updated        Verdict = api.StatusUpdated
	Unchanged      Verdict = api.StatusUnchanged
)

// CarriesAuth reports whether the answer delivers the credential that is canonical after the decision.
func (v Verdict) CarriesAuth() bool { return v == Outdated || v == Updated }

// Action is what the host should call next: "store", or "" for nothing.
func (v Verdict) Action() string {
	if v == Missing || v == UploadRequired {
		return api.CommandStore
	}
	return ""
}

// DecideRetrieve compares a host's file, of which it reports digest and last_refresh, with the current generation; nil
// means that there is none.
//
//	no current generation   missing
//	same digest             valid, whatever the times
//	host's is newer         upload_required
//	same time               upload_required: DecideStore has the file and can tell more
//	host's is older         outdated
func DecideRetrieve(current *Version, digest Digest, refreshedAt time.Time) Verdict {
	switch {
	case current == nil:
		return Missing
	case digest == current.Digest:
		return Valid
	case refreshedAt.Before(current.RefreshedAt):
		return Outdated
	}
	return UploadRequired
}

// DecideStore judges a host's upload against the current generation (nil: none). Updated means that upload becomes the
// next generation; every other verdict and every error leaves the current one alone. hint is the canonical digest that
// the host saw before it uploaded; zero if it did not say. The first rule that applies decides:
//
//	no current generation             updated
//	other ChatGPT account             ErrAccountMismatch
//	same digest                       unchanged, or outdated: see below
//	placeholder, access token current unchanged
//	placeholder otherwise             outdated
//	same tokens                       outdated
//	newer                             updated
//	older                             outdated
//	same time, hint is current        updated: nobody was faster
//	same time otherwise               outdated
//
// A file that would be updated by these rules is outdated if its tokens were canonical before; the store looks that up.
//
// Accounts are compared only if both files name one: a file may lack it (an API key, an old Codex), and the check is
// there for people who logged in to the wrong account, whose file always names it. A placeholder is never a candidate,
// so without a current generation it is ErrPlaceholder.
//
// A file may hold the current login in other bytes than the canonical ones: Codex drops members that it does not know,
// "auths" among them, and may touch last_refresh. "unchanged" would be true then, but carries no file, so the host would
// keep its own and be told to upload it at every retrieve, for ever. "outdated" hands it the canonical bytes, which costs
// it nothing (the tokens are the ones it has), and the next retrieve is valid. Hence it is the answer to the same tokens
// under another digest (a file without an access token has none to compare), and to the same digest if the file as it
// was uploaded is not yet canonical and the hint says that a retrieve has just found it different.
func DecideStore(current *Version, upload *Document, hint Digest) (Verdict, error) {
	switch {
	case current == nil && upload.Placeholder:
		return "", ErrPlaceholder
	case current == nil:
		return Updated, nil
	case otherAccount(current, &upload.Version):
		return "", ErrAccountMismatch
	case upload.Digest == current.Digest && upload.Received != current.Digest && hint == current.Digest:
		return Outdated, nil
	case upload.Digest == current.Digest:
		return Unchanged, nil
	case upload.Placeholder && sameAccessToken(current, &upload.Version):
		return Unchanged, nil
	case upload.Placeholder, sameTokens(current, &upload.Version):
		return Outdated, nil
	}
	switch upload.RefreshedAt.Compare(current.RefreshedAt) {
	case 1:
		return Updated, nil
	case 0:
		if hint == current.Digest {
			return Updated, nil
		}
	}
	return Outdated, nil
}

// DecideAdminUpload judges an upload by an admin: Updated, which begins a new lineage whatever times and accounts say,
// or Unchanged, when it is the current generation (nil: none) to the byte.
//
// Errors: ErrPlaceholder.
func DecideAdminUpload(current *Version, upload *Document) (Verdict, error) {
	switch {
	case upload.Placeholder:
		return "", ErrPlaceholder
	case current != nil && upload.Digest == current.Digest:
		return Unchanged, nil
	}
	return Updated, nil
}

func otherAccount(a, b *Version) bool {
	return a.ChatGPTAccountID != "" && b.ChatGPTAccountID != "" && a.ChatGPTAccountID != b.ChatGPTAccountID
}

func sameAccessToken(a, b *Version) bool {
	return a.AccessSHA256 != nil && bytes.Equal(a.AccessSHA256, b.AccessSHA256)
}

func sameTokens(a, b *Version) bool {
	return sameAccessToken(a, b) && bytes.Equal(a.RefreshSHA256, b.RefreshSHA256)
}
