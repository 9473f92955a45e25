package gatewaytest

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
)

// ChatGPT stands in for ChatGPT on this machine. It ends with its test.
type ChatGPT struct {
	*httptest.Server
	asked  atomic.Int64
	answer atomic.Pointer[http.HandlerFunc]
}

// NewChatGPT makes one that gives this answer to whatever it is asked.
func NewChatGPT(t testing.TB, body string) *ChatGPT {
	t.Helper()
	c := &ChatGPT{}
	c.Says(Answering(body))
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.asked.Add(1)
		(*c.answer.Load())(w, r)
	}))
	t.Cleanup(c.Close)
	return c
}

// Says changes what it answers from now on.
func (c *ChatGPT) Says(answer http.HandlerFunc) { c.answer.Store(&answer) }

// Asked is how often it was asked.
func (c *ChatGPT) Asked() int64 { return c.asked.Load() }

// Answering answers 200 and a body.
func Answering(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }
}
