package browser

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

//go:embed demo.sql
var demo string

// fill makes a fleet that has been there for a season.
func (g *gateway) fill() error {
	// Each renewal is a day and more after the one before, as Codex renews.
	for _, age := range []time.Duration{57 * time.Hour, 31 * time.Hour, 4 * time.Hour} {
		if _, err := g.verb(loginOf(time.Now().Add(-age)), "auth", "upload", "-"); err != nil {
			return err
		}
	}
	if err := g.exec(`UPDATE generation SET created_at = last_refresh_at`); err != nil {
		return err
	}
	version, err := g.verb("", "version")
	if err != nil {
		return err
	}
	version, _, _ = strings.Cut(version, " ")
	if err := g.exec(strings.ReplaceAll(demo, "{version}", strings.TrimSpace(version))); err != nil {
		return err
	}
	command := filepath.Join(g.dir, "review.md")
	if err := os.WriteFile(command, []byte("---\ndescription: Reviews what is staged\n---\nReview the staged changes. Name what breaks, then what is unclear.\n"), 0o600); err != nil {
		return err
	}
	_, err = g.verb("", "library", "add", command)
	return err
}

// loginOf is an auth.json as Codex wrote it at a moment, worthless to OpenAI.
func loginOf(at time.Time) string {
	refresh := sha256.Sum256([]byte(at.String()))
	part := func(members map[string]any) string {
		text, _ := json.Marshal(members) // texts and numbers always encode
		return base64.RawURLEncoding.EncodeToString(text)
	}
	token := func(audience string) string {
		return part(map[string]any{"alg": "none", "typ": "JWT"}) + "." + part(map[string]any{
			"aud": []string{audience}, "iss": "https://auth.openai.com", "iat": at.Unix(), "exp": at.Add(10 * 24 * time.Hour).Unix(),
			"https://api.openai.com/auth": map[string]any{"chatgpt_account_id": "acct-demo", "chatgpt_plan_type": "pro"},
		}) + "." + base64.RawURLEncoding.EncodeToString([]byte("no signature"))
	}
	text, _ := json.MarshalIndent(map[string]any{
		"OPENAI_API_KEY": nil, "auth_mode": "chatgpt", "last_refresh": at.UTC().Format("2006-01-02T15:04:05.000000000Z"),
		"tokens": map[string]any{
			"id_token": token("app_demo"), "access_token": token("https://api.openai.com/v1"),
			"refresh_token": fmt.Sprintf("rt_%s", hex.EncodeToString(refresh[:])), "account_id": "acct-demo",
		},
	}, "", "  ")
	return string(text)
}
