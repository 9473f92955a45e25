package jsondoc_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/python.golden anew with the python3 on PATH")

const goldenFile = "testdata/python.golden"

// python answers each line, a JSON string that holds a document, with [document, canonical form].
const python = `
import json, sys
for line in sys.stdin:
    text = json.loads(line)
    print(json.dumps([text, json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"))]))
`

// The canonical form is defined by what deployed clients compute, and these run Python. The golden file is Python's own
// answer to documents that are likely to go wrong.
func TestPythonAgrees(t *testing.T) {
	t.Parallel()
	if *update {
		writeGolden(t)
	}
	golden, err := os.Open(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	defer golden.Close()
	lines := bufio.NewScanner(golden)
	lines.Buffer(nil, 1<<20)
	compared := 0
	for lines.Scan() {
		var pair [2]string
		if err := json.Unmarshal(lines.Bytes(), &pair); err != nil {
			t.Fatal(err)
		}
		if got := canonical(t, pair[0]); got != pair[1] {
			t.Errorf("%.200q: got %.200q, want %.200q", pair[0], got, pair[1])
		}
		compared++
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if compared < 500 {
		t.Errorf("documents compared: got %d, want at least 500", compared)
	}
}

func writeGolden(t *testing.T) {
	t.Helper()
	var input bytes.Buffer
	for _, text := range goldenInputs() {
		line, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		input.Write(append(line, '\n'))
	}
	command := exec.CommandContext(t.Context(), "python3", "-c", python)
	command.Stdin, command.Stderr = &input, os.Stderr
	output, err := command.Output()
	if err != nil {
		t.Fatalf("running python3: %v", err)
	}
	if err := os.WriteFile(goldenFile, output, 0o644); err != nil {
		t.Fatal(err)
	}
}

// goldenInputs is the same on every run, so that the golden file changes only when Python or this function does.
func goldenInputs() []string {
	random := rand.New(rand.NewPCG(1, 2))
	var inputs []string
	for range 20 {
		inputs = append(inputs, list(100, func() string { return randomFloat(random) }))
	}
	for exponent := -1074; exponent < 1024; exponent += 2 { // where shortest spellings tie
		inputs = append(inputs, strconv.FormatFloat(math.Ldexp(1, exponent), 'e', 17, 64))
	}
	for exponent := -330; exponent <= 308; exponent += 7 {
		inputs = append(inputs, fmt.Sprintf("[1e%d,-9.5E%d,1.7976931348623157e%d]", exponent, exponent-1, exponent))
	}
	for c := range rune(0x80) {
		inputs = append(inputs, fmt.Sprintf(`"\u%04x\u%04X"`, c, c))
	}
	for range 500 {
		inputs = append(inputs, randomDocument(random, 4))
	}
	return inputs
}

func randomFloat(random *rand.Rand) string {
	f := math.Float64frombits(random.Uint64())
	switch {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return "0.1"
	case random.IntN(3) == 0:
		f = math.Trunc(random.ExpFloat64()*1e6) / math.Pow10(random.IntN(12))
	}
	text := strconv.FormatFloat(f, []byte{'e', 'E', 'f'}[random.IntN(3)], []int{-1, 3, 17, 30}[random.IntN(4)], 64)
	if _, err := strconv.ParseFloat(text, 64); err != nil { // rounded up beyond the largest double
		return "-0.0"
	}
	return text
}

func randomDocument(random *rand.Rand, depth int) string {
	space := func() string { return []string{"", "", " ", "\n\t", "\r\n"}[random.IntN(5)] }
	kind := random.IntN(9)
	if depth == 0 {
		kind %= 6
	}
	var text string
	switch kind {
	case 0:
		text = []string{"null", "true", "false"}[random.IntN(3)]
	case 1:
		text = randomFloat(random)
	case 2:
		text = strconv.FormatInt(int64(random.Uint64()), 10) + strings.Repeat("0", random.IntN(30))
	case 3:
		text = []string{"-0", "0", "-0.0", "0e0", "{}", "[]", "[[],{}]", `""`}[random.IntN(8)]
	case 4, 5:
		text = randomString(random)
	case 6:
		text = list(random.IntN(5), func() string { return randomDocument(random, depth-1) })
	default:
		members := make([]string, random.IntN(6))
		for i := range members {
			name := randomString(random)
			if random.IntN(2) == 0 {
				name = []string{`"a"`, `"\u0061"`, `"b"`, `"10"`, `"9"`}[random.IntN(5)] // to make duplicates likely
			}
			members[i] = space() + name + space() + ":" + randomDocument(random, depth-1)
		}
		text = "{" + strings.Join(members, ",") + space() + "}"
	}
	return space() + text + space()
}

func randomString(random *rand.Rand) string {
	pieces := []string{
		"a", "/", `\/`, `\\`, `\"`, `\b`, `\f`, `\n`, `\r`, `\t`, `\u0000`, `\u001f`, "\x7f", "é", `\u00E9`, "\u2028", `\u2029`,
		"😀", `\ud83d\ude00`, `\uFFFD`, "\ufeff", "<&>", "日本", `\uffff`, `\udbff\udfff`,
	}
	var text strings.Builder
	text.WriteByte('"')
	for range random.IntN(8) {
		text.WriteString(pieces[random.IntN(len(pieces))])
	}
	text.WriteByte('"')
	return text.String()
}

func list(length int, element func() string) string {
	elements := make([]string, length)
	for i := range elements {
		elements[i] = element()
	}
	return "[" + strings.Join(elements, ",") + "]"
}
