package admin

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/http"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/openapi"
)

// Describe says what the routes of New are, in the words of docs/api.md.
func Describe() openapi.Group {
	return openapi.Group{
		Name: "Calls for admins", Who: "an admin", Security: []openapi.Scheme{openapi.AdminCertificate, openapi.AdminBearer},
		Codes: []string{
			"admin_certificate_refused", "admin_certificate_required", "admin_certificate_revoked", "body_too_large", "cross_origin",
			"database_unavailable", "internal", "invalid_json", "json_required", "starting", "too_many_failures",
		},
		Operations: operations,
	}
}

var operations = []openapi.Operation{
	{
		Method: http.MethodPost, Path: api.PathHostRegister, Summary: "Registers a host, or gives an existing one a new key",
		Request: api.RegisterRequest{}, Response: api.RegisterResponse{}, Codes: []string{"validation_failed"},
	},
	{
		Method: http.MethodDelete, Path: "/admin/hosts/{id}", Summary: "Removes a host",
		Response: deletedHost{}, Codes: []string{"route_not_found", "host_not_found"},
	},
	{Method: http.MethodPost, Path: api.PathSeedCommand, Summary: "A command that uploads the login of the machine it is run on", Response: api.SeedCommand{}},
	{Method: http.MethodGet, Path: api.PathOpenAPI, Summary: "The API in OpenAPI 3.1", Produces: []string{"application/json"}},
	{Method: http.MethodGet, Path: api.PathAPIPage, Summary: "The API on a page", Produces: []string{"text/html"}},
}

// deletedHost is what the removal of a host answers.
type deletedHost struct {
	Deleted int64 `json:"deleted"`
}

// handleDescription adds the routes of the whole API's description. It is made once.
func (s *Surface) handleDescription() {
	described := openapi.Describe(s.cfg.Version, append(s.cfg.Hosts, Describe())...)
	s.handleFile(api.PathOpenAPI, described.JSON, http.Header{"Content-Type": {"application/json"}})
	s.handleFile(api.PathAPIPage, described.Page, http.Header{
		"Content-Type": {"text/html; charset=utf-8"}, "Content-Security-Policy": {described.PagePolicy}, "X-Content-Type-Options": {"nosniff"},
	})
}

// handleFile adds a route that answers the same to every admitted admin. It may be kept if it is asked for again.
func (s *Surface) handleFile(path string, content []byte, header http.Header) {
	sum := sha256.Sum256(content)
	header["Etag"] = []string{`"` + hex.EncodeToString(sum[:16]) + `"`}
	header["Cache-Control"] = []string{"no-cache"}
	s.Handle(http.MethodGet, path, func(w http.ResponseWriter, r *call.Request) (any, error) {
		if _, err := s.admit(r); err != nil {
			return nil, err
		}
		maps.Copy(w.Header(), header)
		http.ServeContent(w, r.Request, "", time.Time{}, bytes.NewReader(content))
		return nil, nil
	})
}
