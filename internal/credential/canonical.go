package credential

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cdxgate/cdxgate/internal/api/jsondoc"
	"github.com/cdxgate/cdxgate/internal/errs"
)

// MaxBytes is the length of the longest canonical form we keep. It is below the limit of a request, so that a host can
// send back whatever it was given, with an envelope around it and escaped as its client likes.
const MaxBytes = 192 << 10

// Options of Canonicalise.
type Options struct {
	Now            time.Time // the moment of the upload
	MinTokenLength int       // shortest token we believe in, bytes. Zero: 24; less than 8: 8
}

// Canonicalise brings an auth.json into the form whose digest gateway and clients compare. It changes auth.
//
// The form is auth as received, member for member and in the received order, except that the map "auths" (target →
// token), which Codex neither writes nor reads but deployed clients demand, is made from the login's token if it is
// missing, and normalised and sorted in its place if it is there; and that "agent_identity" is gone, because it belongs
// to the machine that uploaded the file.
//
// Errors: kind Invalid, about one field; the first that is wrong, last_refresh before auths.
func Canonicalise(auth *jsondoc.Object, o Options) (*Document, error) {
	received := jsondoc.DigestOf(auth)
	auth.Delete("agent_identity")
	lastRefresh := auth.Text("last_refresh")
	refreshedAt, err := ParseLastRefresh("auth.last_refresh", lastRefresh, o.Now.Add(UploadSlack))
	if err != nil {
		return nil, err
	}
	auths, err := receivedAuths(auth)
	if err != nil {
		return nil, err
	}
	if auths, err = normaliseAuths(auths, o); err != nil {
		return nil, err
	}
	auth.Set("auths", auths)

	tokens := auth.Object("tokens")
	accountID := trim(tokens.Text("account_id"))
	if !isID(accountID) {
		return nil, errs.Field("auth.tokens.account_id", fmt.Sprintf("account_id must be at most %d printable characters", maxIDBytes))
	}
	body := jsondoc.Encode(auth)
	if len(body) > MaxBytes {
		return nil, errs.Field("auth", fmt.Sprintf("auth may be at most %d bytes long", MaxBytes))
	}
	access, refresh := tokens.Text("access_token"), tokens.Text("refresh_token")
	return &Document{
		Version: Version{
			Digest: sha256.Sum256(body), RefreshedAt: refreshedAt, ChatGPTAccountID: accountID,
			AccessSHA256: tokenSHA256(access), RefreshSHA256: tokenSHA256(refresh),
		},
		Body: body, Received: received, LastRefresh: lastRefresh, Access: readClaims(access),
		Placeholder: strings.HasPrefix(refresh, PlaceholderPrefix),
	}, nil
}

const (
	fieldAuths    = "auth.auths"
	defaultTarget = "api.openai.com"
)

// receivedAuths returns the map of targets, not yet normalised, never empty.
func receivedAuths(auth *jsondoc.Object) (*jsondoc.Object, error) {
	received, _ := auth.Get("auths")
	switch received := received.(type) {
	case *jsondoc.Object:
		if received.Len() > 0 {
			return received, nil
		}
	case []jsondoc.Value:
		if len(received) > 0 {
			return nil, errs.Field(fieldAuths, "auths keys must be non-empty strings")
		}
	}
	for _, candidate := range []string{auth.Object("tokens").Text("access_token"), auth.Text("OPENAI_API_KEY")} {
		if trim(candidate) != "" {
			entry, auths := &jsondoc.Object{}, &jsondoc.Object{}
			entry.Set("token", candidate)
			auths.Set(defaultTarget, entry)
			return auths, nil
		}
	}
	return nil, errs.Field(fieldAuths, "auths must be an object of targets")
}

// normaliseAuths trims and sorts targets and normalises each entry. Two targets that differ only by case or surrounding
// blanks are refused: a client that looks one up could get either.
func normaliseAuths(received *jsondoc.Object, o Options) (*jsondoc.Object, error) {
	auths, seen := &jsondoc.Object{}, map[string]bool{}
	for key, value := range received.All() {
		target := trim(key)
		if target == "" || isDigits(strings.TrimPrefix(target, "-")) { // a list's index is no target either
			return nil, errs.Field(fieldAuths, "auths keys must be non-empty strings")
		}
		field := fieldAuths + "." + target
		folded := strings.ToLower(target)
		if seen[folded] {
			return nil, errs.Field(field, "target appears twice, apart from case and surrounding blanks")
		}
		seen[folded] = true
		entry, err := normaliseEntry(field, value, o)
		if err != nil {
			return nil, err
		}
		auths.Set(target, entry)
	}
	return sorted(auths), nil
}

// entryMembers are the members of an entry that mean something to clients. An entry carries each under its first name;
// the first of its names that is there and not null counts, even if it is blank.
var entryMembers = []struct {
	names    []string
	fallback string // what blank or absent becomes; "": the member is left out
	trimmed  bool
}{
	{names: []string{"token_type", "type"}, fallback: "bearer"},
	{names: []string{"organization", "org", "default_organization", "default_org"}, trimmed: true},
	{names: []string{"project", "default_project"}, trimmed: true},
	{names: []string{"api_base", "base_url"}, trimmed: true},
}

// normaliseEntry returns an entry with its members under their first names, sorted. Members we do not know are kept if
// they are scalars.
func normaliseEntry(field string, value jsondoc.Value, o Options) (*jsondoc.Object, error) {
	received, ok := value.(*jsondoc.Object)
	if !ok {
		if _, list := value.([]jsondoc.Value); !list { // a list is an entry without a token
			return nil, errs.Field(field, "entry must be an object")
		}
	}
	token := trim(received.Text("token"))
	if err := checkToken(field+".token", token, o.MinTokenLength); err != nil {
		return nil, err
	}
	entry, known := &jsondoc.Object{}, map[string]bool{"token": true}
	entry.Set("token", token)
	for _, m := range entryMembers {
		var first jsondoc.Value
		for _, name := range m.names {
			known[name] = true
			if v, _ := received.Get(name); first == nil {
				first = v
			}
		}
		text, _ := first.(string)
		if m.trimmed {
			text = trim(text)
		}
		if trim(text) == "" {
			text = m.fallback
		}
		if text != "" {
			entry.Set(m.names[0], text)
		}
	}
	for name, v := range received.All() {
		switch v.(type) {
		case *jsondoc.Object, []jsondoc.Value:
		default:
			if !known[name] {
				entry.Set(name, v)
			}
		}
	}
	return sorted(entry), nil
}

// sorted returns o with its members in byte order, those whose names are digits first and by their number.
func sorted(o *jsondoc.Object) *jsondoc.Object {
	names := make([]string, 0, o.Len())
	for name := range o.All() {
		names = append(names, name)
	}
	slices.SortFunc(names, compareNames)
	out := &jsondoc.Object{}
	for _, name := range names {
		v, _ := o.Get(name)
		out.Set(name, v)
	}
	return out
}

func compareNames(a, b string) int {
	numberA, numberB := isDigits(a), isDigits(b)
	switch {
	case numberA && numberB:
		a0, b0 := strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
		return cmp.Or(cmp.Compare(len(a0), len(b0)), strings.Compare(a0, b0), strings.Compare(a, b))
	case numberA:
		return -1
	case numberB:
		return 1
	}
	return strings.Compare(a, b)
}

func isDigits(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}
