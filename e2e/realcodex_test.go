package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/cdxgate/cdxgate/internal/credential/authtest"
)

// model is a Responses API on loopback: it answers "pong" to everything and says what that cost.
type model struct {
	*httptest.Server

	mu    sync.Mutex
	asked []modelRequest
}

type modelRequest struct {
	authorization string
	model         string
	input         string // JSON
}

// What every answer of the model costs, as the API counts: the cached are part of the input, the reasoning of the output.
const (
	costInput, costCached, costOutput, costReasoning = 1200, 1000, 90, 40
)

func newModel(t *testing.T) *model {
	t.Helper()
	m := &model{}
	m.Server = httptest.NewServer(http.HandlerFunc(m.serve))
	t.Cleanup(m.Close)
	return m
}

func (m *model) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/v1/responses" || r.Method != http.MethodPost {
		http.NotFound(w, r) // what else Codex asks for it does without
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	var request struct {
		Model string          `json:"model"`
		Input json.RawMessage `json:"input"`
	}
	if err := json.Unmarshal(body, &request); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	m.mu.Lock()
	m.asked = append(m.asked, modelRequest{r.Header.Get("Authorization"), request.Model, string(request.Input)})
	m.mu.Unlock()
	w.Header().Set("Content-Type", "text/event-stream")
	usage := fmt.Sprintf(`{"input_tokens":%d,"input_tokens_details":{"cached_tokens":%d},"output_tokens":%d,"output_tokens_details":{"reasoning_tokens":%d},"total_tokens":%d}`,
		costInput, costCached, costOutput, costReasoning, costInput+costOutput)
	for _, event := range []string{
		`{"type":"response.created","response":{"id":"r1"}}`,
		`{"type":"response.output_item.done","item":{"type":"message","id":"m1","role":"assistant","content":[{"type":"output_text","text":"pong"}]}}`,
		`{"type":"response.completed","response":{"id":"r1","usage":` + usage + `}}`,
	} {
		_, _ = fmt.Fprintf(w, "event: x\ndata: %s\n\n", event)
	}
}

func (m *model) requests() []modelRequest {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]modelRequest(nil), m.asked...)
}

// codexConfig makes Codex talk to the model with the login in auth.json, and to nobody else.
func (m *model) codexConfig() string {
	return fmt.Sprintf(`model = "gpt-5-codex"
model_provider = "loopback"
approval_policy = "never"
sandbox_mode = "read-only"
check_for_update_on_startup = false
chatgpt_base_url = "%[1]s/backend-api/"
[analytics]
enabled = false
[model_providers.loopback]
name = "Loopback"
base_url = "%[1]s/v1"
requires_openai_auth = true
wire_api = "responses"
request_max_retries = 1
stream_max_retries = 1
supports_websockets = false
`, m.URL)
}

// The real Codex CLI behind cdx says what it says by itself, with the fleet's login, and what it used is on the gateway.
func TestRealCodex(t *testing.T) {
	t.Parallel()
	g, model := start(t, options{fresh: true}), newModel(t)
	m := newMachine(t, theCodex(t))
	login := authtest.Options{}
	file := filepath.Join(g.dir, "auth.json")
	if err := os.WriteFile(file, authtest.New(login), 0o600); err != nil {
		t.Fatal(err)
	}
	g.must("auth", "upload", file)
	m.write(".codex/config.toml", model.codexConfig())
	m.write(".codex/swift.config.toml", "model = \"gpt-5-swift\"\n")
	if r := m.sh(strings.TrimSpace(g.must("host", "add", "build7.example").out)); r.code != 0 {
		t.Fatalf("installing: exit %d\n%s%s", r.code, r.out, r.err)
	}

	const exec = ` exec --skip-git-repo-check --json "say  pong" </dev/null`
	plain, wrapped := m.sh("codex"+exec), m.sh("cdx"+exec)
	if plain.code != 0 || wrapped.code != 0 {
		t.Fatalf("codex: exit %d, %s\ncdx: exit %d, %s", plain.code, plain.err, wrapped.code, wrapped.err)
	}
	if want, got := withoutIDs(plain.out), withoutIDs(wrapped.out); got != want || !strings.Contains(got, `"pong"`) {
		t.Errorf("cdx exec --json printed\n%s\nwant what codex prints\n%s", got, want)
	}

	// A profile, by its name alone, and a prompt arrive.
	if r := m.sh(`cdx swift exec --skip-git-repo-check "weigh the second prompt" </dev/null`); r.code != 0 || !strings.Contains(r.out, "pong") {
		t.Errorf("with a profile: exit %d\n%s%s", r.code, r.out, r.err)
	}
	asked := model.requests()
	last := asked[len(asked)-1]
	if last.model != "gpt-5-swift" || !strings.Contains(last.input, "weigh the second prompt") {
		t.Errorf("the model %s was asked %s", last.model, last.input)
	}
	if want := "Bearer " + authtest.AccessToken(login); last.authorization != want {
		t.Error("the model was not asked with the fleet's access token")
	}

	// Codex by itself and two runs of cdx: all of it was used with this login, and none of it twice.
	const runs = 3
	want := fmt.Sprintf("%d|%d|%d|%d|%d", runs*(costInput-costCached+costOutput), runs*(costInput-costCached), runs*costCached, runs*costOutput, runs*costReasoning)
	g.eventually(callDeadline, "the usage to be recorded", func() bool {
		m.sh("cdx sync")
		return g.sql("SELECT concat_ws('|', sum(total), sum(input), sum(cached), sum(output), sum(reasoning)) FROM usage_entry")[0] == want
	})
	models := g.sql("SELECT string_agg(DISTINCT model, ',' ORDER BY model) FROM usage_entry")[0]
	if models != "gpt-5-codex,gpt-5-swift" {
		t.Errorf("got usage of %s", models)
	}
	for _, name := range []string{".codex/.cdx/usage.json", ".codex/.cdx/blocks.json", ".codex/.cdx/state.json"} {
		if text := m.read(name); strings.Contains(text, "pong") || strings.Contains(text, "weigh") {
			t.Errorf("%s tells what was said: %s", name, text)
		}
	}
}

var volatile = []*regexp.Regexp{
	regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), // threads, turns
	regexp.MustCompile(`[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z`),
}

// withoutIDs leaves out what differs from run to run.
func withoutIDs(out string) string {
	for _, pattern := range volatile {
		out = pattern.ReplaceAllString(out, "…")
	}
	return out
}

// write puts a file into the machine's home.
func (m *machine) write(name, text string) {
	m.t.Helper()
	path := filepath.Join(m.home, name)
	if r := m.sh("mkdir -p " + filepath.Dir(path)); r.code != 0 {
		m.t.Fatal(r.err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		m.t.Fatal(err)
	}
	m.user.own(m.t, path)
}
