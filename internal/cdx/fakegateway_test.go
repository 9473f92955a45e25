//go:build unix

package cdx

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"

	"github.com/cdxgate/cdxgate/internal/api"
)

// fakeGateway answers from a queue and records what it was asked.
type fakeGateway struct {
	server *httptest.Server
	gone   chan struct{}

	mu       sync.Mutex
	queue    []fakeAnswer
	requests []fakeRequest
	surplus  []string          // requests that nobody expected
	asserted int               // requests that the test has looked at
	blocks   map[string]string // :: name → what every answer to POST /sync says there
	files    fakeFiles
}

// fakeAnswer is one answer. Without a status it hangs until the caller gives up.
type fakeAnswer struct {
	status int
	body   []byte
	header http.Header
	word   *fakeWord         // in place of body
	drop   bool              // close the connection instead
	before func()            // what happens on the host while the answer is on its way
	blocks map[string]string // with word: see fakeGateway
}

// fakeRequest is what one request said.
type fakeRequest struct {
	Method string
	Path   string
	Header http.Header
	Body   map[string]json.RawMessage
	Raw    []byte
}

// name is how tests call a request: sync, the command of POST /auth, else its path.
func (r fakeRequest) name() string {
	var command string
	if json.Unmarshal(r.Body["command"], &command) == nil && command != "" {
		return command
	}
	switch {
	case r.Method == http.MethodDelete:
		return "deregister"
	case r.Path == api.PathSync:
		return "sync"
	case strings.HasPrefix(r.Path, api.PathInstall):
		return "enrol"
	}
	return r.Path
}

func newFakeGateway() *fakeGateway {
	g := &fakeGateway{gone: make(chan struct{}), blocks: map[string]string{}}
	g.server = httptest.NewServer(g)
	return g
}

func (g *fakeGateway) close() {
	close(g.gone)
	g.server.Close()
}

func (g *fakeGateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		g.files.serve(w, r, g.gone)
		return
	}
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	request := fakeRequest{Method: r.Method, Path: r.URL.Path, Header: r.Header.Clone(), Raw: text}
	_ = json.Unmarshal(text, &request.Body) // a request that is no JSON has no members, and a test that looks will say so
	answer := g.next(request)
	if answer.before != nil {
		answer.before()
	}
	switch {
	case answer.drop:
		panic(http.ErrAbortHandler)
	case answer.status == 0:
		select {
		case <-r.Context().Done():
		case <-g.gone:
		}
	default:
		answer.write(w, r)
	}
}

// write answers one request.
func (a fakeAnswer) write(w http.ResponseWriter, r *http.Request) {
	maps.Copy(w.Header(), a.header)
	w.WriteHeader(a.status)
	if a.word != nil {
		a.body = a.word.at(r.URL.Path, a.blocks)
	}
	_, _ = w.Write(a.body)
}

func (g *fakeGateway) next(request fakeRequest) fakeAnswer {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.requests = append(g.requests, request)
	if len(g.queue) == 0 {
		g.surplus = append(g.surplus, request.name())
		return fakeAnswer{status: http.StatusTeapot}
	}
	answer := g.queue[0]
	answer.blocks = maps.Clone(g.blocks)
	g.queue = g.queue[1:]
	return answer
}

func (g *fakeGateway) expect(answers ...fakeAnswer) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.queue = append(g.queue, answers...)
}

// asked returns the names of the requests since it was last called.
func (g *fakeGateway) asked() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	names := []string{}
	for _, request := range g.requests[g.asserted:] {
		names = append(names, request.name())
	}
	g.asserted = len(g.requests)
	return names
}

func (g *fakeGateway) last() (fakeRequest, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.requests) == 0 {
		return fakeRequest{}, false
	}
	return g.requests[len(g.requests)-1], true
}

// open reports what was expected and never asked, or asked and never expected.
func (g *fakeGateway) open() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.queue) > 0 || len(g.surplus) > 0 {
		return fmt.Errorf("%d answers were not asked for; requests without an answer: %q", len(g.queue), g.surplus)
	}
	return nil
}

// plantedInstallation is the gateway that the tests' hosts enrolled with.
const plantedInstallation = "7d0f1c52-6a3e-4b4f-9f0a-0c5a3d7e9b21"

// about is the gateway's word on a login, as an answer to POST /sync or POST /auth carries it among everything that a real
// one has. auth is spliced in byte for byte.
func about(status, digest string, auth []byte) fakeAnswer {
	return fakeAnswer{status: http.StatusOK, word: &fakeWord{status: status, digest: digest, auth: auth, installation: plantedInstallation}}
}

type fakeWord struct {
	status, digest string
	auth           []byte
	installation   string
	usage          string            // what became of a report; "": it was recorded
	blocks         map[string]string // name → data, of POST /sync
	kept           bool              // what was sent up is not lost
}

func (w *fakeWord) at(path string, blocks map[string]string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `"status":%q,"generation":41,"canonical_digest":`, w.status)
	if w.digest == "" {
		b.WriteString("null")
	} else {
		fmt.Fprintf(&b, "%q", w.digest)
	}
	if w.auth != nil {
		b.WriteString(`,"auth":`)
		b.Write(bytes.TrimSpace(w.auth))
	}
	if w.kept {
		b.WriteString(`,"kept":true`)
	}
	versions := fmt.Sprintf(`{"client_version":null,"installation_id":%q}`, w.installation)
	const host = `{"fqdn":"build7.example","secure":true}`
	if path == api.PathSync {
		all := map[string]string{api.BlockHost: host, api.BlockVersions: versions, api.BlockQuota: "null"}
		maps.Copy(all, blocks)
		maps.Copy(all, w.blocks)
		data := fmt.Appendf(nil, `{"status":"ok","data":{"credential":{%s},"users":[],"usage":%s`, &b, cmp.Or(w.usage, `{"recorded":1}`))
		for name, text := range all {
			data = fmt.Appendf(data, `,%q:{"etag":%q,"data":%s}`, name, sha256Hex([]byte(text)), text)
		}
		return append(data, "}}"...)
	}
	return fmt.Appendf(nil, `{"status":"ok","data":{%s,"host":%s,"api_calls":42,"versions":%s,`+
		`"chatgpt_usage":{"status":"disabled","primary_window":{"used_percent":"0"},"secondary_window":null}}}`, &b, host, versions)
}

// refused is an error answer.
func refused(status int, code, message string) fakeAnswer {
	body, err := json.Marshal(map[string]any{"status": "error", "message": message, "code": code})
	if err != nil {
		panic(err)
	}
	if code == "" { // as gateways of the reference answer
		body, _ = json.Marshal(map[string]any{"status": "error", "message": message})
	}
	return fakeAnswer{status: status, body: body}
}
