package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"strings"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/credential"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/fleet"
)

// upload serves POST /admin/auth/upload: an admin's file becomes the login of the fleet, or of a host's account. What was
// uploaded is not repeated.
func (s *Surface) upload(r *call.Request, by audit.Actor) (any, error) {
	request, err := readUpload(r)
	if err != nil {
		return nil, err
	}
	host, accountID, err := s.owner(r, request.HostID)
	if err != nil {
		return nil, err
	}
	file, err := request.file()
	if err != nil {
		return nil, err
	}
	outcome, err := s.cfg.Credentials.Upload(r.Context(), accountID, file, by)
	switch {
	case errors.Is(err, credential.ErrNotJSON): // which the request around it is
		return nil, errs.Field(request.field(), request.field()+" must be the JSON of an auth.json")
	case err != nil:
		return nil, err
	}
	decided, err := s.cfg.Policy.Read(r.Context())
	if err != nil {
		return nil, err
	}
	versions, err := s.versions(r.Context(), decided)
	if err != nil {
		return nil, err
	}
	answer := api.AdminUpload{
		Status: string(outcome.Verdict), Generation: outcome.Current.Number, CanonicalLastRefresh: &outcome.Current.LastRefresh,
		CanonicalDigest: new(outcome.Current.Digest.String()), Versions: versions, QuotaHardFail: decided.QuotaHardFail,
		QuotaLimitPercent: decided.QuotaLimitPercent, QuotaWeekPartition: decided.QuotaWeekPartition, CdxSilent: decided.CdxSilent,
	}
	if host != nil {
		answer.Host, answer.APICalls = &api.UploadHost{Host: fleet.Wire(host), ID: host.ID}, host.APICalls
	}
	return answer, nil
}

// owner is whose login an upload is to be: a host's account (by its id, as a number or digits), or else the fleet's.
func (s *Surface) owner(r *call.Request, raw json.RawMessage) (host *db.Host, accountID int64, err error) {
	text := strings.TrimSpace(string(raw))
	if strings.HasPrefix(text, `"`) {
		if err := json.Unmarshal(raw, &text); err != nil {
			return nil, 0, call.ErrMalformed.WithCause(err)
		}
		text = strings.TrimSpace(text)
	}
	switch text {
	case "", "null", "system", "0":
		accountID, err = s.cfg.Credentials.FleetAccount(r.Context())
		return nil, accountID, err
	}
	var id int64
	if strings.Trim(text, "0123456789") != "" || json.Unmarshal([]byte(text), &id) != nil {
		return nil, 0, errs.Field("host_id", "host_id must be the id of a host, or null for the fleet")
	}
	if host, err = s.cfg.Fleet.ByID(r.Context(), id); err != nil {
		return nil, 0, err
	}
	return host, host.AccountID, nil
}

// uploadRequest is an upload: an auth.json in a member, as it is or as a text, or in a file beside it.
type uploadRequest struct {
	Auth   json.RawMessage `json:"auth"`
	HostID json.RawMessage `json:"host_id"`
	File   []byte          `json:"-"`
}

func readUpload(r *call.Request) (*uploadRequest, error) {
	request := &uploadRequest{}
	read := request.readForm
	if !r.IsForm {
		read = func(r *call.Request) error { return r.Decode(request) }
	}
	err := read(r)
	return request, err
}

// maxParts is more than any form has that means an upload.
const maxParts = 16

func (u *uploadRequest) readForm(r *call.Request) error {
	_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || params["boundary"] == "" {
		return errs.Field("file", "the form has no boundary")
	}
	form, seen := multipart.NewReader(bytes.NewReader(r.Body), params["boundary"]), map[string]bool{}
	for range maxParts {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		var content []byte
		if err == nil {
			content, err = io.ReadAll(part) // at most a body
		}
		if err != nil {
			return errs.Field("file", "the form cannot be read")
		}
		name := part.FormName()
		if seen[name] {
			return errs.Field("file", fmt.Sprintf("the form has %.64q twice", name))
		}
		switch seen[name] = true; name {
		case "file":
			u.File = content
		case "auth", "host_id":
			text, err := json.Marshal(string(content))
			if err != nil {
				return errs.Field(name, name+" must be a text")
			}
			if name == "auth" {
				u.Auth = text
			} else {
				u.HostID = text
			}
		}
	}
	return errs.Field("file", fmt.Sprintf("the form has more than %d parts", maxParts))
}

// field is where the auth.json is.
func (u *uploadRequest) field() string {
	if u.absent() && u.File != nil {
		return "file"
	}
	return "auth"
}

func (u *uploadRequest) absent() bool { return len(u.Auth) == 0 || string(u.Auth) == "null" }

// file is the auth.json, byte for byte as it came: the order of its members counts.
func (u *uploadRequest) file() ([]byte, error) {
	switch {
	case u.absent() && u.File != nil:
		return u.File, nil
	case u.absent():
		return nil, errs.Field("auth", "auth is required")
	case u.Auth[0] != '"':
		return u.Auth, nil
	}
	var text string
	if err := json.Unmarshal(u.Auth, &text); err != nil {
		return nil, call.ErrMalformed.WithCause(err)
	}
	return []byte(text), nil
}

// canonical says which login an account has now, without the login; nil: none.
func (s *Surface) canonical(r *call.Request, accountID int64) (lastRefresh, digest *string, err error) {
	current, err := s.cfg.Credentials.Current(r.Context(), accountID)
	switch {
	case errors.Is(err, credential.ErrNone):
		return nil, nil, nil
	case err != nil:
		return nil, nil, err
	}
	return &current.LastRefresh, new(current.Digest.String()), nil
}
