package credential

import (
	"errors"

	"github.com/cdxgate/cdxgate/internal/api/jsondoc"
	"github.com/cdxgate/cdxgate/internal/errs"
)

// Refusals of Read and ReadStore.
var (
	ErrNotJSON  = errs.New(errs.Malformed, "invalid_json", "Invalid JSON payload")
	ErrTooLarge = errs.New(errs.TooLarge, "body_too_large", "Request body too large")
)

// Read parses an auth.json that stands alone: a file, or the member "auth" of a request.
//
// Errors: ErrNotJSON; ErrTooLarge; kind Invalid about the field "auth", when it is no object or has no canonical form.
func Read(text []byte) (*jsondoc.Object, error) {
	v, err := jsondoc.Parse(text)
	switch {
	case errors.Is(err, jsondoc.ErrTooLarge):
		return nil, ErrTooLarge.WithCause(err)
	case errors.Is(err, jsondoc.ErrNotCanonical):
		return nil, errs.Field("auth", err.Error()) // which says what and where, but quotes nothing
	case err != nil:
		return nil, ErrNotJSON.WithCause(err)
	}
	auth, ok := v.(*jsondoc.Object)
	if !ok {
		return nil, errAuthRequired()
	}
	return auth, nil
}

// envelope is what a store request may carry beside the auth.json.
var envelope = []string{
	"command", "client_version", "cdx_version", "wrapper_version", "installation_id", "digest", "auth_digest", "auth_sha", "auth",
}

// ReadStore takes the auth.json out of the body of a store request: the member "auth", or, as some clients write it,
// the body itself if it has a last_refresh; then the members of the envelope are removed, so that they are not kept as
// if Codex had written them.
//
// Errors: as Read.
func ReadStore(body []byte) (*jsondoc.Object, error) {
	request, err := Read(body)
	if err != nil {
		return nil, err
	}
	auth, _ := request.Get("auth")
	switch auth := auth.(type) {
	case *jsondoc.Object:
		return auth, nil
	case []jsondoc.Value: // an empty object, as languages without a map of their own write it; Canonicalise says what is missing
		return &jsondoc.Object{}, nil
	}
	if lastRefresh, _ := request.Get("last_refresh"); lastRefresh == nil {
		return nil, errAuthRequired()
	}
	for _, name := range envelope {
		request.Delete(name)
	}
	return request, nil
}

func errAuthRequired() error { return errs.Field("auth", "Auth payload is required") }
