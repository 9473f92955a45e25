package caddymodule

import (
	"testing"

	"github.com/cdxgate/cdxgate/internal/quota"
)

func TestWhoIsAskedAboutTheQuota(t *testing.T) {
	t.Parallel()
	for option, want := range map[string]string{
		"": quota.DefaultURL, "off": "", "https://proxy.example.net/backend-api": "https://proxy.example.net/backend-api", "http://[::1]:9000": "http://[::1]:9000",
	} {
		app := &App{DataDir: t.TempDir(), ChatGPTURL: option}
		if err := app.resolve(); err != nil {
			t.Errorf("%q: %v", option, err)
		}
		if got := askedAt(app.ChatGPTURL); got != want {
			t.Errorf("%q: got %q, want %q", option, got, want)
		}
	}
	for _, option := range []string{"OFF", "none", "http://chatgpt.com/backend-api", "https://chatgpt.com/backend-api/", "ftp://chatgpt.com"} {
		if err := (&App{DataDir: t.TempDir(), ChatGPTURL: option}).resolve(); err == nil {
			t.Errorf("%q: got no refusal", option)
		}
	}
}
