package caddymodule

import (
	"context"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/term"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/gateway"
	"github.com/cdxgate/cdxgate/internal/operator"
)

// progress says on stderr, every second, what a start is waiting for. A start that takes less says nothing.
type progress struct {
	mu    sync.Mutex
	what  string
	since time.Time
	done  chan struct{}
	once  sync.Once
}

func startProgress() *progress {
	p := &progress{since: time.Now(), done: make(chan struct{})}
	go p.run(os.Stderr)
	return p
}

// seconds is what some steps count by themselves.
var seconds = regexp.MustCompile(` \(\d+ s\)$`)

// say tells what is being waited for from now on.
func (p *progress) say(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.what = seconds.ReplaceAllString(what, "")
}

// stop ends the lines; it may be called more than once.
func (p *progress) stop() { p.once.Do(func() { close(p.done) }) }

func (p *progress) run(out io.Writer) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-p.done:
			return
		case now := <-ticker.C:
			p.mu.Lock()
			what := p.what
			p.mu.Unlock()
			if what != "" {
				_, _ = fmt.Fprintf(out, "cdxgate: %s (%d s)\n", what, int(now.Sub(p.since).Seconds()))
			}
		}
	}
}

// welcomeVariable makes the greeting appear where stderr is no terminal.
const welcomeVariable = "CDXGATE_WELCOME"

var greeted sync.Once

// greet tells a person at a terminal, once a process, where the gateway is and what to do next.
func greet(ctx context.Context, a *App, core *gateway.Core) {
	if os.Getenv(welcomeVariable) == "" && !term.IsTerminal(int(os.Stderr.Fd())) {
		return
	}
	greeted.Do(func() {
		_, _ = io.WriteString(os.Stderr, greeting(ctx, a, core))
	})
}

func greeting(ctx context.Context, a *App, core *gateway.Core) string {
	executable := os.Args[0]
	var b strings.Builder
	fmt.Fprintf(&b, "\ncdxgate %s is up\n  hosts  %s\n  data   %s\n\n", Version, a.PublicURL, a.config.DataDir)
	var next []string
	account, err := core.DB.AccountByName(ctx, "default")
	if err == nil && account.Generation == 0 {
		next = append(next, executable+" auth upload ~/.codex/auth.json   # the login the fleet shares")
	}
	if hosts, err := core.DB.HostCount(ctx); err == nil && hosts == 0 {
		next = append(next, executable+" host add build7.example          # prints the line to run on that machine")
	}
	if certs, err := core.DB.AdminCertList(ctx); err == nil && len(certs) == 0 {
		next = append(next, executable+" admin cert add "+userNameOr("me")+"               # a certificate for /admin/")
	}
	if len(next) > 0 {
		b.WriteString("Next, in a second shell in this directory:\n  " + strings.Join(next, "\n  ") + "\n\n")
	}
	b.WriteString(invitation(ctx, a, core))
	return b.String()
}

// loginSite is where login links of this process point, as Prepare read it from the configuration it was started with.
var loginSite atomic.Pointer[string]

// invitation is a login link for the person at the terminal, who may make one anyway.
func invitation(ctx context.Context, a *App, core *gateway.Core) string {
	site := loginSite.Load()
	if site == nil || *site == "" {
		return ""
	}
	link, err := access.New(core.DB).NewLink(ctx, access.Owner, operator.Actor())
	if err != nil {
		a.logger.Error("making a login link failed; make one with cdxgate admin link", "error", err)
		return ""
	}
	return "Log a browser in, once, in the next 5 minutes:\n  " + *site + api.PathLoginLink + link.Secret.Reveal() + "\n"
}

func userNameOr(fallback string) string { return orDefault(os.Getenv("USER"), fallback) }
