// Package openapi describes the API in OpenAPI 3.1, for programs, and on a page, for people. Both are made of the same
// operations, which each surface declares beside its routes; what a message looks like is read from its Go type.
//
// What cannot be described is a mistake in this program: making the description panics, so that such a gateway does not
// start.
package openapi

import "strings"

// Group is some operations that have a site, a way in and refusals in common.
type Group struct {
	Name     string   // "Calls for hosts"
	URL      string   // base URL of the site. Empty: the site that serves the description
	Who      string   // who may call the operations: "a host"
	Security []Scheme // what callers show, any one of these. None: nothing, or what is in the path
	Codes    []string // every operation may answer these, too

	Operations []Operation
}

// Operation is one method of one path.
type Operation struct {
	Method   string
	Path     string // as in the surface's table, but with names of its parameters: /install/{token}
	Summary  string // what it does, in a few words
	Who      string // who may call it, if that is not the group's
	Query    []Parameter
	Headers  []Parameter
	Request  any         // a value of the body's type. Nil: it has none
	Form     []Parameter // fields of a multipart/form-data body, if that is as good
	Response any         // a value of the type of an answer's data
	Produces []string    // media types of an answer that is not the JSON envelope; Response is nil then
	Redirect string      // where a browser is sent instead of an answer, and with what. Empty: it is answered
	Refusals []string    // media types of refusals that are not JSON; they have no codes
	Codes    []string    // of refusals, beside the group's
}

// Parameter is one that a caller may leave out.
type Parameter struct{ Name, Summary string }

// AnyOf is a Request or Response that has one of several types.
type AnyOf []any

// Route is the operation as a surface lists it: "METHOD path", without the names of parameters.
func (o *Operation) Route() string {
	segments := strings.Split(o.Path, "/")
	for i, segment := range segments {
		if isParameter(segment) {
			segments[i] = "{}"
		}
	}
	return o.Method + " " + strings.Join(segments, "/")
}

func (o *Operation) pathParameters() (names []string) {
	for segment := range strings.SplitSeq(o.Path, "/") {
		if isParameter(segment) {
			names = append(names, strings.Trim(segment, "{}"))
		}
	}
	return names
}

func isParameter(segment string) bool {
	return strings.HasPrefix(segment, "{") && strings.HasSuffix(segment, "}")
}

// Scheme is a way of showing who one is, by its name in the document.
type Scheme string

// The schemes.
const (
	HostKey          Scheme = "hostKey"
	HostBearer       Scheme = "hostBearer"
	AdminCertificate Scheme = "adminCertificate"
	AdminBearer      Scheme = "adminBearer"
	AdminSession     Scheme = "adminSession"
)

var schemes = map[Scheme]securityScheme{
	HostKey:          {Type: "apiKey", In: "header", Name: "X-API-Key", Description: "A host's API key."},
	HostBearer:       {Type: "http", Scheme: "bearer", Description: "A host's API key."},
	AdminCertificate: {Type: "mutualTLS", Description: "A client certificate of the gateway's admin authority."},
	AdminBearer:      {Type: "http", Scheme: "bearer", Description: "An admin's API token, where the site accepts them."},
	AdminSession:     {Type: "apiKey", In: "cookie", Name: "__Host-cdxgate", Description: "A session of a browser that used a login link, where the site accepts them."},
}

// Description is the whole API, described.
type Description struct {
	JSON       []byte // the OpenAPI document
	Page       []byte // HTML that loads nothing and runs nothing
	PagePolicy string // Content-Security-Policy that allows the page its style
}

// Describe makes the description of a gateway of some version.
func Describe(version string, groups ...Group) *Description {
	return &Description{JSON: document(version, groups), Page: page(version, groups), PagePolicy: pagePolicy}
}
