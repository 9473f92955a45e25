//go:build unix

package cdxfleet

import (
	"bytes"
	"testing"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/credential"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
)

// goBack delivers the access token of an earlier generation again.
func (w *world) goBack(to int64) {
	w.t.Helper()
	_, err := w.gateway.Credentials.RollBack(w.t.Context(), w.account, to, credential.RollbackOptions{Confirm: true}, gatewaytest.Operator)
	if err != nil {
		w.t.Fatal(err)
	}
}

// A fleet that goes back has the earlier access token on every host, and loses no refresh token over it: the next renewal
// works with what was delivered.
func TestGoingBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin()
	a, b := w.add("a", false), w.add("b", false)
	first := w.gateway.Int(t, "SELECT generation FROM account")
	earlier := decodeAuth(w.canonical()).Tokens.AccessToken
	for range 2 {
		a.run("exec", does("refresh")).want(0)
	}
	b.run("sync").want(0)
	w.goBack(first)
	for _, h := range []*host{a, b} {
		h.run("sync").want(0)
		file := decodeAuth(h.read())
		if !bytes.Equal(h.read(), w.canonical()) || file.Tokens.AccessToken != earlier || file.Tokens.RefreshToken != w.authority.newest() {
			t.Errorf("%s: does not have the earlier access token with the newest refresh token", h.name)
		}
	}
	w.checkRecoverable()
	reused := w.authority.reuses()
	b.run("exec", does("refresh")).want(0)
	if w.authority.reuses() != reused {
		t.Error("a refresh token was spent twice")
	}
	w.checkRecoverable()
	w.checkHeals()
}

// What a host has renewed and nobody has seen yet wins over going back.
func TestGoingBackMeetsARenewal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin()
	a := w.add("a", false)
	first := w.gateway.Int(t, "SELECT generation FROM account")
	a.run("exec", does("refresh")).want(0)
	w.front.fail(down, api.PathAuth)
	a.run("exec", does("refresh"))
	w.goBack(first)
	w.front.pass()
	a.run("sync").want(0)
	if newest := w.authority.newest(); !w.gatewayHas(newest) || !holding(a.read(), newest) {
		t.Error("the renewal is lost")
	}
	w.checkRecoverable()
	w.checkHeals()
}
