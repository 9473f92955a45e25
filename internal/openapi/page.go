package openapi

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"

	"github.com/cdxgate/cdxgate/internal/api"
)

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// pagePolicy allows the page its one style, by its hash, and nothing else.
var pagePolicy = func() string {
	sum := sha256.Sum256([]byte(pageStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
}()

type pageGroup struct {
	Name, URL string
	Codes     []string
	Rows      []pageRow
}

type pageRow struct {
	Method, Path, Summary, Who string
	Codes                      []string
}

func page(version string, groups []Group) []byte {
	data := struct {
		Version, Document string
		Style             template.CSS
		Groups            []pageGroup
	}{Version: version, Document: api.PathOpenAPI, Style: template.CSS(pageStyle)} //nolint:gosec // our own file
	for _, group := range groups {
		shown := pageGroup{Name: group.Name, URL: group.URL, Codes: group.Codes}
		for _, o := range group.Operations {
			shown.Rows = append(shown.Rows, pageRow{o.Method, o.Path, o.Summary, o.who(&group), o.Codes})
		}
		data.Groups = append(data.Groups, shown)
	}
	var text bytes.Buffer
	if err := pageTemplate.Execute(&text, data); err != nil {
		panic(fmt.Sprintf("openapi: writing the page: %v", err))
	}
	return text.Bytes()
}
