package cdx

import (
	"io"
	"time"

	"github.com/cdxgate/cdxgate/internal/cdx/screen"
)

// outcome is what a run of Codex brought. What is zero is not known, and is left out of the footer.
type outcome struct {
	status  int            // Codex's
	took    time.Duration  // from its start to its end
	usage   *screen.Tokens // of this run
	sending screen.Sending // what became of the report of usage
	lost    *loss          // nil: a new login, if there is one, is not only on this machine
	before  login          // on disk when Codex started
}

// loss is why a login that Codex renewed did not reach the gateway.
type loss struct {
	reason string
	next   string // what there is to do; "": it goes up by itself, with the next run
}

// refusal is a loss in the form of all that goes wrong.
func (l *loss) refusal() *refusal {
	r := &refusal{label: "login", what: "the new login was NOT sent up: " + l.reason, next: l.next}
	if r.next == "" {
		r.next = "it stays on this machine and goes up with the next run\nnow: cdx sync"
	}
	return r
}

// showFooter says on a terminal how the run ended; elsewhere only that a new login was not sent up.
func (s *session) showFooter(o outcome) {
	t := s.app.terminal()
	quiet := !t.Interactive || s.silent()
	if o.lost != nil && (quiet || o.lost.next != "") {
		s.app.explain(o.lost.refusal())
		return
	}
	if quiet {
		return
	}
	e := screen.Ending{ExitCode: o.status, Duration: o.took, Usage: o.usage, Sending: o.sending}
	switch now, err := readLogin(s.home.authPath()); {
	case o.lost != nil:
		e.Login, e.NotSent = screen.LoginNotSent, o.lost.reason
	case s.result == resultSentUp:
		e.Login, e.Generation = screen.LoginSent, s.state.Generation
	case err == nil && now.exists() && now.same(o.before):
		e.Login = screen.LoginUnchanged
	}
	_, _ = io.WriteString(s.app.Stderr, screen.Footer(e, t))
}
