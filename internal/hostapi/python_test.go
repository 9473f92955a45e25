package hostapi_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/gatewaytest"
)

var pythonSeed = flag.Uint64("python.seed", 0, "seed of TestPythonFindsTheDigest; 0: another one each time")

// pythonClient is a deployed client as far as bytes go. It reads pairs of lines, a file as a JSON string and the
// gateway's answer as it came, and writes what it makes of them: the digest that it would report at its next run, the
// file as it would write it, and what is wrong. What the gateway may change about a file is written down here once more,
// from the contract (contract/host-api.md 2.7): a member that stands twice counts once, "agent_identity" goes, "auths"
// is made or normalised.
const pythonClient = `
import hashlib, json, sys

BLANKS = " \t\n\r\v\0"
ALIASES = [
    ("organization", ["organization", "org", "default_organization", "default_org"]),
    ("project", ["project", "default_project"]),
    ("api_base", ["api_base", "base_url"]),
]

def by_name(item):
    return (0, int(item[0]), "") if item[0].isascii() and item[0].isdigit() else (1, 0, item[0])

def normalised(entry):
    first = lambda names: next((entry[n] for n in names if entry.get(n) is not None), None)
    kind = first(["token_type", "type"])
    out = {"token": entry["token"].strip(BLANKS), "token_type": kind if isinstance(kind, str) and kind.strip(BLANKS) else "bearer"}
    for name, names in ALIASES:
        value = first(names)
        if isinstance(value, str) and value.strip(BLANKS):
            out[name] = value.strip(BLANKS)
    known = {"token", "token_type", "type"}.union(*(names for _, names in ALIASES))
    out.update((n, v) for n, v in entry.items() if n not in known and not isinstance(v, (dict, list)))
    return dict(sorted(out.items(), key=by_name))

def expected(sent):
    file = json.loads(sent)
    file.pop("agent_identity", None)
    auths = file.get("auths")
    if not isinstance(auths, dict) or not auths:
        tokens = file.get("tokens")
        candidates = [tokens.get("access_token") if isinstance(tokens, dict) else None, file.get("OPENAI_API_KEY")]
        auths = {"api.openai.com": {"token": next(c for c in candidates if isinstance(c, str) and c.strip(BLANKS))}}
    file["auths"] = dict(sorted(((t.strip(BLANKS), normalised(e)) for t, e in auths.items()), key=by_name))
    return file

def unique(pairs):
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a member stands twice in the answer")
    return dict(pairs)

def dumps(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

for sent in sys.stdin.buffer:
    answer = sys.stdin.buffer.readline()
    result = {"problem": ""}
    try:
        data = json.loads(answer, object_pairs_hook=unique)["data"]
        got, want = data["auth"], expected(json.loads(sent))
        # One line of text compares order, types and spelling at once.
        if dumps(got) != dumps(want):
            raise ValueError("got %s, want %s" % (dumps(got), dumps(want)))
        if data["canonical_last_refresh"] != got["last_refresh"]:
            raise ValueError("canonical_last_refresh is not the file's")
        result["digest"] = hashlib.sha256(dumps(got).encode()).hexdigest()
        result["file"] = json.dumps(got, indent=2)
        if data["canonical_digest"] != result["digest"]:
            raise ValueError("canonical_digest is %s, Python finds %s" % (data["canonical_digest"], result["digest"]))
    except Exception as e:
        result["problem"] = "%s: %s" % (type(e).__name__, e)
    sys.stdout.buffer.write(json.dumps(result).encode() + b"\n")
    sys.stdout.buffer.flush()
`

// pythonResult is a line that pythonClient writes.
type pythonResult struct {
	Digest  string // of the file in the answer
	File    string // the file in the answer, written as people like to read it
	Problem string
}

// python is a running pythonClient.
type python struct {
	in  io.Writer
	out *bufio.Reader
}

func startPython(t *testing.T) *python {
	t.Helper()
	command := exec.CommandContext(t.Context(), "python3", "-c", pythonClient)
	command.Stderr = os.Stderr
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatalf("starting python3: %v", err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = command.Wait() // its context may have ended before
	})
	return &python{in: in, out: bufio.NewReader(out)}
}

// reads lets Python read the answer to an upload.
func (p *python) reads(t *testing.T, sent string, a *gatewaytest.Answer) (result pythonResult) {
	t.Helper()
	quoted, err := json.Marshal(sent)
	if err != nil {
		t.Fatal(err)
	}
	answer := bytes.TrimRight(a.Body, "\n")
	if bytes.Contains(answer, []byte("\n")) {
		t.Fatalf("got an answer of several lines: %s", a.Body)
	}
	if _, err := fmt.Fprintf(p.in, "%s\n%s\n", quoted, answer); err != nil {
		t.Fatalf("writing to Python: %v", err)
	}
	line, err := p.out.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &result)
	}
	if err != nil {
		t.Fatalf("reading from Python: %v", err)
	}
	return result
}

// status reads the verdict of an answer.
func status(t *testing.T, a *gatewaytest.Answer) string {
	t.Helper()
	var data struct{ Status string }
	a.Decode(t, &data)
	return data.Status
}

// Whatever a file holds, it arrives with its members, their order and their numbers, and Python finds the digest that the
// gateway has.
func TestPythonFindsTheDigest(t *testing.T) {
	t.Parallel()
	const files = 250
	seed := *pythonSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	g, host := begin(t, nil)
	client, random, key := startPython(t), newFileMaker(seed), host.Key.Reveal()
	for i := range files {
		sent := random.file(i)
		fail := func(what string, got any) {
			t.Fatalf("-python.seed=%d, file %d, %s: got %v for\n%s", seed, i, what, got, sent)
		}
		stored := g.Do(t, gatewaytest.Request{Path: "/auth", Key: key, Body: `{"command":"store","auth":` + sent + `}`})
		if got := status(t, stored); got != "updated" {
			fail("store", string(stored.Body))
		}
		found := client.reads(t, sent, stored)
		if found.Problem != "" {
			fail("the stored file", found.Problem)
		}
		fetched := client.reads(t, sent, g.Retrieve(t, key, noDigest, "2000-01-01T00:00:00Z"))
		if fetched.Problem != "" || fetched.Digest != found.Digest {
			fail("the retrieved file", fetched)
		}
		if got := status(t, g.Retrieve(t, key, found.Digest, "2000-01-01T00:00:00Z")); got != "valid" {
			fail("retrieve with Python's digest", got)
		}
		// What Python wrote to its disk and brings back is the same file, however it is laid out and escaped.
		if got := status(t, g.Store(t, key, []byte(found.File), found.Digest)); got != "unchanged" {
			fail("store of what Python wrote", got)
		}
	}
}

// The vectors of the contract, as they arrive. V2 differs from what the reference made of it: there every {} became [],
// which no client can undo, so ours keeps the {} of "extra" and has another digest.
func TestPythonFindsTheVectors(t *testing.T) {
	t.Parallel()
	g, host := begin(t, nil)
	client, key, hint := startPython(t), host.Key.Reveal(), ""

	// V6 is what a client without a file reports. It is nobody's login.
	const none = "8c6e3b5b78b9558813d537edaa7f641a9a03e0bce80b4bf991dc573ab0a334da"
	if got := status(t, g.Retrieve(t, key, none, "2000-01-01T00:00:00Z")); got != "missing" {
		t.Errorf("V6: got %s, want missing", got)
	}
	g.Store(t, key, []byte(`{"last_refresh":"2000-01-01T00:00:00Z","auths":{}}`), "").
		Invalid(t, "auth.auths", "auths must be an object of targets")

	for _, v := range []struct{ name, sent, digest string }{ // by last_refresh; the last three are of one moment
		{
			"V1", `{"OPENAI_API_KEY":null,"tokens":{"id_token":"idtok","access_token":"  sk-demo-0123456789abcdefXYZ ","refresh_token":"rt/1","account_id":"acct_1"},"last_refresh":"2025-11-20T09:27:43.373506211Z"}`,
			"45300d84ef88d5bc23e1293260aea0ae180372f2e230d8a69343ffc5b3c87097",
		}, {
			"V3", `{"auths":{},"OPENAI_API_KEY":"sk-0123456789abcdefghijKLMN","last_refresh":"2025-11-21T00:00:00+01:00"}`,
			"fd2e6b1df55567b3c7ca4ed340b6c3b43a86e5062819631f7839363810458218",
		}, {
			"V2", `{"last_refresh":"2025-11-21T00:00:00Z","auths":{"z.example":{"type":"api_key","token":"tok-ABCDEFGHIJKLMNOPQRSTUV"},"api.openai.com":{"token":"tok-1234567890abcdef-XYZ987654","org":"org-1","default_project":"prj","base_url":"https://api.openai.com/v1","note":"blå/x","flag":true,"none":null,"nested":{"a":1},"n":3}},"tokens":{"access_token":"x","extra":{}}}`,
			"5ec98ebccd0e2446adf8c16791b9d543ff8607c4f291dd239754dcb72f5d1630",
		}, {
			"V4", `{"last_refresh":"2025-11-21T00:00:00Z","auths":{"api.openai.com":{"token":"tok-1234567890abcdef-XYZ987654","organization":"","org":"org-2","token_type":""}}}`,
			"7a5e2ca5eade00e99ae305bb315b9fb6402075080bb7f466007722cf32dfedc3",
		}, {
			"V5", `{"tokens":{"access_token":""},"OPENAI_API_KEY":"sk-0123456789abcdefghijKLMN","last_refresh":"2025-11-21T00:00:00Z"}`,
			"8e16505970d22acfe1e55d198060c244b35412b90cc345fd4a7f878fd1d3e5fd",
		},
	} {
		// The hint says that nobody was faster, which is what lets a file of the same moment in.
		stored := g.Store(t, key, []byte(v.sent), hint)
		if found := client.reads(t, v.sent, stored); found.Problem != "" || found.Digest != v.digest {
			t.Fatalf("%s: got %s %s, want %s", v.name, found.Digest, found.Problem, v.digest)
		}
		if got := status(t, g.Retrieve(t, key, v.digest, "2000-01-01T00:00:00Z")); got != "valid" {
			t.Errorf("%s: got %s with the digest, want valid", v.name, got)
		}
		hint = v.digest
	}
}

// fileMaker makes auth.json files that are likely to go wrong, each newer than the one before.
type fileMaker struct{ *rand.Rand }

func newFileMaker(seed uint64) fileMaker { return fileMaker{rand.New(rand.NewPCG(seed, 0))} }

// file makes the i-th file: what Codex writes in any order, then members that nobody knows, and some members twice.
func (r fileMaker) file(i int) string {
	lastRefresh := time.Date(2026, 1, 5, 10, i, 0, r.IntN(1e9), time.UTC).Format(r.pick("2006-01-02T15:04:05.000000000Z", "2006-01-02T15:04:05Z", "2006-01-02t15:04:05.000+00:00"))
	members := []string{`"last_refresh":"` + lastRefresh + `"`}
	switch token := fmt.Sprintf("sk-%d-%016x-%016x", i, r.Uint64(), r.Uint64()); r.IntN(3) {
	case 0: // a login
		members = append(members, r.tokens(token), r.pick(`"OPENAI_API_KEY":null`, `"auth_mode":"chatgpt"`, `"auths":{}`, `"auths":null`))
	case 1: // an API key
		members = append(members, `"OPENAI_API_KEY":"`+token+`"`, r.pick(`"tokens":null`, `"tokens":{}`, `"tokens":[]`, `"auths":"x"`))
	case 2: // targets
		members = append(members, `"auths":`+r.auths(token))
	}
	if r.IntN(3) == 0 {
		members = append(members, `"agent_identity":`+r.value(3))
	}
	for range r.IntN(8) {
		members = append(members, r.member(4))
	}
	if i == 0 { // as deep and as long as it may be
		members = append(members, `"deep":`+strings.Repeat(`[{"":`, 250)+"{}"+strings.Repeat("}]", 250), `"long":-`+strings.Repeat("9", 1000))
	}
	r.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	if r.IntN(4) == 0 { // what it said first does not count, but where does
		members = append([]string{`"last_refresh":` + r.value(1)}, members...)
	}
	return r.object(members)
}

func (r fileMaker) tokens(access string) string {
	members := []string{`"id_token":` + r.text(), `"access_token":"` + access + `"`, `"refresh_token":` + strconv.Quote(fmt.Sprintf("rt_%x", r.Uint64()))}
	for range r.IntN(4) {
		members = append(members, r.member(2))
	}
	r.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	return `"tokens":` + r.object(members)
}

// auths makes targets that no trimming makes equal.
func (r fileMaker) auths(token string) string {
	var targets []string
	for i := range 1 + r.IntN(3) {
		members := []string{`"token":` + r.pick(`"`, `" \n`, `"\t\u0000`) + token + r.pick(`"`, `\r\u000b "`)}
		for _, name := range []string{"token_type", "type", "organization", "org", "default_org", "project", "default_project", "api_base", "base_url", "10", "9", "note", "Note"} {
			if r.IntN(4) == 0 {
				members = append(members, `"`+name+`":`+r.pick(`null`, `""`, `" \t"`, `"x"`, `" é "`, `7`, `1e3`, `false`, `{}`, `[1]`))
			}
		}
		r.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
		name := r.pick("api.openai.com", "Z.example", "blå", "\u2028", `\ud83d\ude00`, "/") + strconv.Itoa(i)
		targets = append(targets, r.pick(`"`, `" `)+name+r.pick(`":`, `\t":`)+r.object(members))
	}
	r.Shuffle(len(targets), func(i, j int) { targets[i], targets[j] = targets[j], targets[i] })
	return r.object(targets)
}

// member makes a member that means nothing to the gateway. Some names are likely to come twice.
func (r fileMaker) member(depth int) string {
	name := r.text()
	if r.IntN(2) == 0 {
		name = r.pick(`"a"`, `"\u0061"`, `"Z"`, `"10"`, `"9"`, `"-1"`, `"__proto__"`, `""`, `"auth"`, `"command"`, `"status"`)
	}
	return name + r.space() + ":" + r.value(depth)
}

func (r fileMaker) value(depth int) string {
	kind := r.IntN(8)
	if depth == 0 {
		kind %= 5
	}
	switch kind {
	case 0:
		return r.pick("null", "true", "false", "{}", "[]", "[[],{}]", `{"":{}}`, `""`)
	case 1, 2:
		return r.number()
	case 3, 4:
		return r.text()
	case 5, 6:
		members := make([]string, r.IntN(6))
		for i := range members {
			members[i] = r.member(depth - 1)
		}
		return r.object(members)
	}
	elements := make([]string, r.IntN(5))
	for i := range elements {
		elements[i] = r.space() + r.value(depth-1)
	}
	return "[" + strings.Join(elements, ",") + r.space() + "]"
}

// number makes integers of any length, and doubles in every way that they can be spelled.
func (r fileMaker) number() string {
	switch r.IntN(5) {
	case 0:
		return r.pick("0", "-0", "-0.0", "0e0", "1E4", "1e16", "1e15", "1e-4", "1e-5", "9007199254740993", "5e-324", "1.7976931348623157e308", "1e22", "123456789012345680.0")
	case 1:
		return r.pick("", "-") + strconv.FormatUint(r.Uint64()|1<<63, 10) + strings.Repeat("7", r.IntN(40))
	case 2:
		return strconv.Itoa(r.IntN(2_000_001) - 1_000_000)
	}
	f := math.Float64frombits(r.Uint64())
	if r.IntN(2) == 0 {
		f = r.NormFloat64() * math.Pow10(r.IntN(50)-25)
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return "0.1"
	}
	text := strconv.FormatFloat(f, "eEf"[r.IntN(3)], []int{-1, 17, 20}[r.IntN(3)], 64)
	if _, err := strconv.ParseFloat(text, 64); err != nil { // rounded up beyond the largest double
		return "1e308"
	}
	return text
}

func (r fileMaker) text() string {
	var text strings.Builder
	text.WriteByte('"')
	for range r.IntN(6) {
		text.WriteString(r.pick("a", "Z", "/", `\/`, `\\`, `\"`, `\b`, `\f`, `\n`, `\r`, `\t`, `\u0000`, `\u001F`, "\x7f", "é", `\u00E9`, "e\u0301",
			"\u2028", "\u2029", `\u2028`, `\u2029`, "😀", `\ud83d\ude00`, `\uDBFF\uDFFF`, "\U0010ffff", `\ufffd`, `\uffff`, "\ufeff", "<&>", "日本", "\u202e"))
	}
	text.WriteByte('"')
	return text.String()
}

func (r fileMaker) object(members []string) string {
	var text strings.Builder
	text.WriteByte('{')
	for i, member := range members {
		if i > 0 {
			text.WriteByte(',')
		}
		text.WriteString(r.space() + member)
	}
	return text.String() + r.space() + "}"
}

func (r fileMaker) space() string { return r.pick("", "", "", " ", "\n\t", "\r\n") }

func (r fileMaker) pick(of ...string) string { return of[r.IntN(len(of))] }
