// Package authtest makes auth.json files as the Codex CLI 0.169 writes them, for tests. Their JWTs are unsigned, so they
// are good for every check that a gateway or `codex login status` makes and worthless to OpenAI.
package authtest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"
)

// Options of New. The zero value describes a login of 5 January 2026 whose access token lives until 2099, so that Codex
// never tries to refresh it. Equal options make equal bytes; a different member makes different tokens where a real
// login would have them.
type Options struct {
	AccountID    string    // ChatGPT account. Default: "acct-authtest"
	LastRefresh  time.Time // written with nanoseconds. Default: 2026-01-05T10:00:00.123456789Z
	IssuedAt     time.Time // of the access token. Default: LastRefresh
	ExpiresAt    time.Time // of the access token. Default: 2099-01-01
	SessionID    string    // claim session_id. Default: "sess-authtest"
	AuthTime     time.Time // claim auth_time: the login. Default: 2026-01-01
	RefreshToken string    // Default: one made from the other options
}

func (o Options) withDefaults() Options {
	if o.AccountID == "" {
		o.AccountID = "acct-authtest"
	}
	if o.LastRefresh.IsZero() {
		o.LastRefresh = time.Date(2026, 1, 5, 10, 0, 0, 123456789, time.UTC)
	}
	if o.IssuedAt.IsZero() {
		o.IssuedAt = o.LastRefresh
	}
	if o.ExpiresAt.IsZero() {
		o.ExpiresAt = time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if o.SessionID == "" {
		o.SessionID = "sess-authtest"
	}
	if o.AuthTime.IsZero() {
		o.AuthTime = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if o.RefreshToken == "" {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s %s %d", o.AccountID, o.SessionID, o.IssuedAt.UnixNano()))
		o.RefreshToken = fmt.Sprintf("rt_%x", sum)
	}
	return o
}

// New returns the bytes of an auth.json: indented, members in the order Codex writes them.
func New(o Options) []byte {
	o = o.withDefaults()
	file := authFile{
		AuthMode: "chatgpt",
		Tokens: tokens{
			IDToken:      idToken(o),
			AccessToken:  AccessToken(o),
			RefreshToken: o.RefreshToken,
			AccountID:    o.AccountID,
		},
		LastRefresh: o.LastRefresh.UTC().Format("2006-01-02T15:04:05.000000000Z"),
	}
	text, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		panic(err) // strings and nulls only
	}
	return text
}

// AccessToken returns the access token of New(o).
func AccessToken(o Options) string {
	o = o.withDefaults()
	return jwt(map[string]any{
		"aud":        []string{"https://api.openai.com/v1"},
		"iss":        "https://auth.openai.com",
		"iat":        o.IssuedAt.Unix(),
		"nbf":        o.IssuedAt.Unix(),
		"exp":        o.ExpiresAt.Unix(),
		"auth_time":  o.AuthTime.Unix(),
		"session_id": o.SessionID,
		"sub":        "auth0|authtest",
		authClaim:    authClaims(o),
	})
}

const authClaim = "https://api.openai.com/auth"

func authClaims(o Options) map[string]any {
	return map[string]any{"chatgpt_account_id": o.AccountID, "chatgpt_plan_type": "pro", "chatgpt_user_id": "user-authtest"}
}

func idToken(o Options) string {
	return jwt(map[string]any{
		"aud":       []string{"app_EMoamEEZ73f0CkXaXp7hrann"},
		"iss":       "https://auth.openai.com",
		"iat":       o.IssuedAt.Unix(),
		"exp":       o.IssuedAt.Add(time.Hour).Unix(),
		"auth_time": o.AuthTime.Unix(),
		"email":     "fleet@authtest.example",
		"sub":       "auth0|authtest",
		authClaim:   authClaims(o),
	})
}

// jwt returns an unsigned token with three parts, the last of which is not empty because readers demand one.
func jwt(claims map[string]any) string {
	payload, err := json.Marshal(claims)
	if err != nil {
		panic(err) // strings, numbers and lists of strings only
	}
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + encode(payload) + "." + encode([]byte("unsigned"))
}

type authFile struct {
	AuthMode    string  `json:"auth_mode"`
	APIKey      *string `json:"OPENAI_API_KEY"`
	Tokens      tokens  `json:"tokens"`
	LastRefresh string  `json:"last_refresh"`
}

type tokens struct {
	IDToken      string `json:"id_token"`
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	AccountID    string `json:"account_id"`
}
