//go:build unix

package cdxfleet

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// authFile is auth.json as Codex reads and writes it: members that it does not know are dropped.
type authFile struct {
	AuthMode string  `json:"auth_mode"`
	APIKey   *string `json:"OPENAI_API_KEY"`
	Tokens   struct {
		tokens

		AccountID string `json:"account_id"`
	} `json:"tokens"`
	LastRefresh string `json:"last_refresh"`
}

func decodeAuth(text []byte) authFile {
	var file authFile
	if err := json.Unmarshal(text, &file); err != nil {
		panic(fmt.Sprintf("no auth.json: %v", err))
	}
	return file
}

// codex is one start of the fake Codex.
type codex struct {
	path      string // of auth.json
	authority string // base URL
}

// Its exit statuses.
const (
	notLoggedIn  = 3
	refusedToken = 4 // the authority does not renew it
	lostInFlight = 5 // auth.json was gone, or another's, when the new tokens came
	loginGivenUp = 6
)

// fakeCodex is the Codex of the tests. $FLEET_CODEX lists what it does, in this order:
//
//	refresh         renews the login and writes auth.json in place, as builds of 2025 do
//	refresh-rename  the same as Codex 0.169 writes: by rename
//	ready=FILE      makes a file
//	await=FILE      waits for a file
//	login           as `codex login`: revokes the login it finds, makes a new one
//	give-up         as `codex login` that somebody breaks off
//	logout          as `codex logout`: revokes the login it finds and removes it
func fakeCodex() {
	c := &codex{
		path:      filepath.Join(os.Getenv("CODEX_HOME"), "auth.json"),
		authority: strings.TrimSuffix(os.Getenv("CODEX_REFRESH_TOKEN_URL_OVERRIDE"), "/oauth/token"),
	}
	for step := range strings.FieldsSeq(os.Getenv(envCodex)) {
		name, file, _ := strings.Cut(step, "=")
		switch name {
		case "refresh":
			c.refresh(c.writeInPlace, func(authFile, tokens) bool { return true })
		case "refresh-rename":
			c.refresh(c.rename, func(found authFile, spent tokens) bool { return found.Tokens.tokens == spent })
		case "ready":
			check(os.WriteFile(file, nil, 0o600))
		case "await":
			for !exists(file) {
				<-time.After(5 * time.Millisecond)
			}
		case "login":
			c.revoke()
			file := authFile{AuthMode: "chatgpt"}
			file.Tokens.AccountID = "acct-authtest"
			_, answer := c.ask("/oauth/token", map[string]string{"grant_type": "authorization_code"})
			c.fill(&file, answer)
			c.rename(file)
		case "give-up":
			c.revoke()
			os.Exit(loginGivenUp)
		case "logout":
			c.revoke()
			if err := os.Remove(c.path); !errors.Is(err, fs.ErrNotExist) {
				check(err)
			}
		default:
			fatal(fmt.Errorf("what is %q?", step))
		}
	}
	os.Exit(0)
}

// refresh renews the login in auth.json, and writes what it became if the file still allows it.
func (c *codex) refresh(write func(authFile), allowed func(found authFile, spent tokens) bool) {
	before, ok := c.read()
	if !ok {
		os.Exit(notLoggedIn)
	}
	status, answer := c.ask("/oauth/token", map[string]string{
		"grant_type": "refresh_token", "refresh_token": before.Tokens.RefreshToken,
	})
	if status != http.StatusOK {
		os.Exit(refusedToken)
	}
	found, ok := c.read()
	if !ok || !allowed(found, before.Tokens.tokens) {
		os.Exit(lostInFlight)
	}
	c.fill(&found, answer)
	write(found)
}

// read reads auth.json; false: there is none.
func (c *codex) read() (authFile, bool) {
	text, err := os.ReadFile(c.path)
	if errors.Is(err, fs.ErrNotExist) {
		return authFile{}, false
	}
	check(err)
	return decodeAuth(text), true
}

func (c *codex) fill(file *authFile, answer tokens) {
	file.Tokens.tokens = answer
	file.LastRefresh = now().UTC().Format("2006-01-02T15:04:05.000000000Z")
}

func (c *codex) writeInPlace(file authFile) {
	to, err := os.OpenFile(c.path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	check(err)
	text := encodeAuth(file)
	for len(text) > 0 { // in two pieces, so that a reader may come between
		n := (len(text) + 1) / 2
		_, err := to.Write(text[:n])
		check(err)
		text = text[n:]
	}
	check(to.Close())
}

func (c *codex) rename(file authFile) {
	target, err := filepath.EvalSymlinks(c.path)
	if errors.Is(err, fs.ErrNotExist) {
		target, err = c.path, nil
	}
	check(err)
	check(os.WriteFile(target+".codex", encodeAuth(file), 0o600))
	check(os.Rename(target+".codex", target))
}

func encodeAuth(file authFile) []byte {
	text, err := json.MarshalIndent(file, "", "  ")
	check(err)
	return text
}

// revoke tells the authority to end the login on disk, if there is one.
func (c *codex) revoke() {
	if found, ok := c.read(); ok {
		c.ask("/oauth/revoke", map[string]string{"token": found.Tokens.RefreshToken})
	}
}

// ask calls the authority, past the proxy.
func (c *codex) ask(path string, body any) (status int, answer tokens) {
	text, err := json.Marshal(body)
	check(err)
	request, err := http.NewRequest(http.MethodPost, c.authority+path, bytes.NewReader(text))
	check(err)
	request.Header.Set("User-Agent", codexAgent+"0.169.0")
	response, err := (&http.Client{Transport: &http.Transport{}}).Do(request)
	check(err)
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode == http.StatusOK {
		check(json.NewDecoder(response.Body).Decode(&answer))
	}
	return response.StatusCode, answer
}

func check(err error) {
	if err != nil {
		fatal(err)
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
