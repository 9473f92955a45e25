package dashboard

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/url"

	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/errs"
)

// Members of the form that uploads a login.
const (
	loginFile = "file"
	loginText = "auth"
)

// maxLoginParts is more than the form has.
const maxLoginParts = 8

// readLogin is the login in a form: its file, or its text. It is as long as a body at most, and no error quotes it.
//
// Errors: kind Invalid, about the form.
func readLogin(r *call.Request) ([]byte, error) {
	parts, err := loginParts(r)
	if err != nil {
		return nil, err
	}
	file, text := bytes.TrimSpace(parts[loginFile]), bytes.TrimSpace(parts[loginText])
	switch {
	case len(file) > 0 && len(text) > 0:
		return nil, errs.Field(loginFile, "give a file or a text, not both: it cannot be told which one counts")
	case len(file) > 0:
		return file, nil
	case len(text) > 0:
		return text, nil
	}
	return nil, errs.Field(loginFile, "choose an auth.json, or paste what is in it")
}

// loginParts are the members of a form, in whichever way a browser posts it.
func loginParts(r *call.Request) (map[string][]byte, error) {
	unreadable := errs.Field(loginFile, "the form cannot be read")
	kind, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != "multipart/form-data" {
		form, err := url.ParseQuery(string(r.Body))
		if err != nil {
			return nil, unreadable
		}
		return map[string][]byte{loginFile: []byte(form.Get(loginFile)), loginText: []byte(form.Get(loginText))}, nil
	}
	if params["boundary"] == "" {
		return nil, unreadable
	}
	form, parts := multipart.NewReader(bytes.NewReader(r.Body), params["boundary"]), map[string][]byte{}
	for range maxLoginParts {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return parts, nil
		}
		if err != nil {
			return nil, unreadable
		}
		content, err := io.ReadAll(part) // at most a body
		if _, twice := parts[part.FormName()]; err != nil || twice {
			return nil, unreadable
		}
		parts[part.FormName()] = content
	}
	return nil, unreadable
}
