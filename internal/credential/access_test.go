package credential_test

import (
	"errors"
	"testing"

	"github.com/cdxgate/cdxgate/internal/credential"
	"github.com/cdxgate/cdxgate/internal/credential/authtest"
)

// Only what the login shows ChatGPT is given out, never another secret of the file in its place.
func TestAccessToken(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	if token, account, err := s.AccessToken(t.Context(), 1); len(token) != 0 || account != "" || !errors.Is(err, credential.ErrNone) {
		t.Errorf("got %d bytes, %q, %v without a login", len(token), account, err)
	}
	want := authtest.AccessToken(authtest.Options{})
	for _, c := range []struct{ name, file, token, account string }{
		{"a login of ChatGPT's", string(authtest.New(authtest.Options{})), want, "acct-authtest"},
		{"an API key", `{"OPENAI_API_KEY":"sk-proj-0123456789abcdefghijklmnopqrstuvwxyz","last_refresh":"2026-01-06T00:00:00Z"}`, "", ""},
		{"both, and auths", `{"OPENAI_API_KEY":"sk-proj-0123456789abcdefghijklmnopqrstuvwxyz","last_refresh":"2026-01-07T00:00:00Z","tokens":{"access_token":" ` + want + ` "},"auths":{"api.openai.com":{"token":"sk-proj-9876543210abcdefghijklmnopqrstuvwxyz"}}}`, want, ""},
		{"auths alone", `{"last_refresh":"2026-01-08T00:00:00Z","tokens":{"access_token":7},"auths":{"api.openai.com":{"token":"sk-proj-9876543210abcdefghijklmnopqrstuvwxyz"}}}`, "", ""},
	} {
		if _, err := s.Upload(t.Context(), 1, []byte(c.file), admin); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if token, account, err := s.AccessToken(t.Context(), 1); string(token) != c.token || account != c.account || err != nil {
			t.Errorf("%s: got %d bytes of a token, account %q, %v; want %d bytes, %q", c.name, len(token), account, err, len(c.token), c.account)
		}
	}
	s.exec(t, "UPDATE generation SET body_sealed = left(body_sealed, 100)")
	if token, _, err := s.AccessToken(t.Context(), 1); len(token) != 0 || !errors.Is(err, credential.ErrUnreadable) {
		t.Errorf("got %d bytes, %v of what does not open", len(token), err)
	}
}
