package dashboard

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/templates"
)

// serveStatic serves a file that never changes under its address: browsers may keep it for a year. It is no secret, so it is
// compressed; pages are not, since what a stranger can put beside a secret must not shorten it.
func serveStatic(file templates.StaticFile) func(http.ResponseWriter, *call.Request) error {
	return func(w http.ResponseWriter, r *call.Request) error {
		header, content := w.Header(), file.Content
		header.Set("Content-Type", file.Type)
		header.Set("Cache-Control", "public, max-age=31536000, immutable")
		header.Set("Vary", "Accept-Encoding")
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") && len(file.Gzipped) < len(content) {
			header.Set("Content-Encoding", "gzip")
			content = file.Gzipped
		}
		header.Set("Content-Length", strconv.Itoa(len(content)))
		_, _ = w.Write(content) // the browser is gone: nobody to tell
		return nil
	}
}
