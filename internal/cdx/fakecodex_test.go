//go:build unix

package cdx

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// fakeStart is one start of the fake Codex, as a line of $FAKE_LOG tells it.
type fakeStart struct {
	Args    []string // quoted to ASCII, so that every byte shows
	Auth    string   // SHA-256 of auth.json, "" without one
	Environ []string
	Stdin   string // SHA-256 and length, with FAKE_READ_STDIN
	Signals []string
}

// fakeCodex is the Codex of the tests. The environment says what it does: FAKE_VERSION, FAKE_STDOUT, FAKE_STDERR,
// FAKE_RC, FAKE_TOKENS (used them in a new thread), FAKE_NEW_AUTH (replaces auth.json by rename), FAKE_DELETE_AUTH, FAKE_READ_STDIN, FAKE_DIE (of that signal),
// FAKE_AWAIT_SIGNAL (first creates that file, then waits for a signal), FAKE_AWAIT_AUTH (waits until auth.json is as that file), FAKE_AWAIT (at last creates the file FAKE_READY, then waits
// for that file). Its login and logout revoke the login they find, as
// the real ones do: $FAKE_REVOKED stands for the issuer.
func fakeCodex() {
	authPath := filepath.Join(os.Getenv("CODEX_HOME"), "auth.json")
	if os.Getenv("CODEX_HOME") == "" {
		authPath = filepath.Join(os.Getenv("HOME"), ".codex", "auth.json")
	}
	start := fakeStart{Environ: os.Environ()}
	for _, arg := range os.Args[1:] {
		start.Args = append(start.Args, strconv.QuoteToASCII(arg))
	}
	if text, err := os.ReadFile(authPath); err == nil {
		start.Auth = sha256Hex(text)
	}
	if slices.Equal(os.Args[1:], []string{"--version"}) {
		fmt.Println("codex-cli " + os.Getenv("FAKE_VERSION"))
	}
	if len(os.Args) > 1 {
		fakeLogin(os.Args[1:], authPath)
	}
	if os.Getenv("FAKE_READ_STDIN") != "" {
		hash := sha256.New()
		n, err := io.Copy(hash, os.Stdin)
		must(err)
		start.Stdin = fmt.Sprintf("%x %d", hash.Sum(nil), n)
	}
	fmt.Print(os.Getenv("FAKE_STDOUT"))
	fmt.Fprint(os.Stderr, os.Getenv("FAKE_STDERR"))
	if ready := os.Getenv("FAKE_AWAIT_SIGNAL"); ready != "" {
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGINT)
		must(os.WriteFile(ready, nil, 0o600))
		start.Signals = append(start.Signals, (<-signals).String())
	}
	if tokens := os.Getenv("FAKE_TOKENS"); tokens != "" {
		fakeRollout(filepath.Dir(authPath), tokens)
	}
	if file := os.Getenv("FAKE_NEW_AUTH"); file != "" {
		text, err := os.ReadFile(file)
		must(err)
		must(os.WriteFile(authPath+".codex", text, 0o600))
		must(os.Rename(authPath+".codex", authPath))
	}
	if os.Getenv("FAKE_DELETE_AUTH") != "" {
		must(os.Remove(authPath))
	}
	if file := os.Getenv("FAKE_AWAIT_AUTH"); file != "" {
		want, err := os.ReadFile(file)
		must(err)
		for now, _ := os.ReadFile(authPath); !bytes.Equal(now, want); now, _ = os.ReadFile(authPath) {
			<-time.After(5 * time.Millisecond)
		}
	}
	if file := os.Getenv("FAKE_AWAIT"); file != "" {
		if ready := os.Getenv("FAKE_READY"); ready != "" {
			must(os.WriteFile(ready, nil, 0o600))
		}
		for !exists(file) {
			<-time.After(5 * time.Millisecond)
		}
	}
	start.log()
	if name := os.Getenv("FAKE_DIE"); name != "" {
		number, err := strconv.Atoi(name)
		must(err)
		must(syscall.Kill(os.Getpid(), syscall.Signal(number)))
		select {}
	}
	status, _ := strconv.Atoi(os.Getenv("FAKE_RC"))
	os.Exit(status)
}

// fakeRollout writes down a thread that used "INPUT CACHED OUTPUT REASONING" tokens, as Codex 0.169 does.
func fakeRollout(home, tokens string) {
	now := time.Now().UTC()
	ms := fmt.Sprintf("%012x", now.UnixMilli())
	id := fmt.Sprintf("%s-%s-7000-8000-%012x", ms[:8], ms[8:], os.Getpid())
	n := strings.Fields(tokens)
	counts := fmt.Sprintf(`{"input_tokens":%s,"cached_input_tokens":%s,"output_tokens":%s,"reasoning_output_tokens":%s}`, n[0], n[1], n[2], n[3])
	text := ""
	for _, line := range [][2]string{
		{"session_meta", fmt.Sprintf(`{"id":%q}`, id)},
		{"turn_context", fmt.Sprintf(`{"turn_id":%q,"model":"gpt-5.1-codex","cwd":"planted-prompt"}`, id)},
		{"event_msg", fmt.Sprintf(`{"type":"token_count","info":{"total_token_usage":%s,"last_token_usage":%s},`+
			`"rate_limits":{"primary":{"used_percent":12.5,"window_minutes":300,"resets_at":%d}}}`, counts, counts, now.Add(time.Hour).Unix())},
	} {
		text += fmt.Sprintf("{\"timestamp\":%q,\"type\":%q,\"payload\":%s}\n", now.Format("2006-01-02T15:04:05.000Z"), line[0], line[1])
	}
	dir := filepath.Join(home, "sessions", now.Format("2006/01/02"))
	must(os.MkdirAll(dir, 0o700))
	must(os.WriteFile(filepath.Join(dir, "rollout-"+now.Format("2006-01-02T15-04-05")+"-"+id+".jsonl"), []byte(text), 0o600))
}

func fakeLogin(args []string, authPath string) {
	command, rest := codexCommand(args)
	_, err := os.Stat(authPath)
	found := err == nil
	switch {
	case command == "login" && slices.Contains(rest, "status"):
		if found {
			fmt.Fprintln(os.Stderr, "Logged in using ChatGPT")
			return
		}
		fmt.Fprintln(os.Stderr, "Not logged in")
		os.Exit(1)
	case command == "login" && os.Getenv("FAKE_LOGIN") == "none":
		fmt.Fprintln(os.Stderr, "Error logging in: the user went away")
		os.Exit(1)
	case command == "login" || command == "logout":
		if found {
			must(os.WriteFile(os.Getenv("FAKE_REVOKED"), []byte(command), 0o600))
			must(os.Remove(authPath))
		}
	}
}

func (s fakeStart) log() {
	path := os.Getenv("FAKE_LOG")
	if path == "" {
		return
	}
	line, err := json.Marshal(s)
	must(err)
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	must(err)
	_, err = file.Write(append(line, '\n'))
	must(err)
	must(file.Close())
}

// readFakeLog returns the starts that $FAKE_LOG tells of.
func readFakeLog(path string) ([]fakeStart, error) {
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var starts []fakeStart
	for line := range strings.Lines(string(text)) {
		var start fakeStart
		if err := json.Unmarshal([]byte(line), &start); err != nil {
			return nil, err
		}
		starts = append(starts, start)
	}
	return starts, nil
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "fake codex:", err)
		os.Exit(99)
	}
}
