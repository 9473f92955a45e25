package cdx

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/cdx/screen"
)

// local is what the boot card and cdx status tell of this machine beside the login. What is zero is not known.
type local struct {
	sessions *screen.Sessions // the runs of Codex that go on
	commands *screen.Commands // the slash commands that are here
	waiting  *screen.Waiting  // what the gateway has not got yet
	notKept  bool             // the login is removed when the last session ends
	offer    string           // what is newer and not used yet: "Codex 0.170.0"
	take     string           // the command that takes the offer; "": it comes by itself
}

// machine is what the boot card tells of this one.
func (s *session) machine() local {
	m := local{notKept: !s.isSecure()}
	if c := s.commands; c != nil {
		m.commands = &screen.Commands{Current: c.Current + c.Written + c.Pushed, Proposals: c.Proposed}
	}
	unsent, _ := s.usage().Pending() // a damaged ledger has been told of
	if waiting := s.waiting(); waiting || unsent > 0 {
		m.waiting = &screen.Waiting{Login: waiting, Reports: unsent}
	}
	return m
}

// terminal is what standard error can show.
func (a *app) terminal() screen.Terminal {
	file, ok := a.Stderr.(*os.File)
	if !ok {
		return screen.Terminal{}
	}
	return screen.Detect(file, os.Getenv, a.options.colour)
}

// silent reports whether only refusals and losses are to be told: the user wants it so, or the fleet.
func (s *session) silent() bool {
	policy := s.blocks.policy()
	return s.app.options.silent || policy != nil && policy.CdxSilent
}

// ask says on a terminal which gateway is being asked, if that takes long.
func (s *session) ask() *screen.Asking {
	t := s.app.terminal()
	if t.Redraws {
		s.blocks = s.home.loadBlocks() // the fleet may want silence
		if s.silent() {
			t = screen.Terminal{}
		}
	}
	return screen.Ask(s.app.Stderr, t, s.client.host())
}

// showCard tells what there is to know before Codex starts: on a terminal by the boot card, elsewhere only what the user
// must read.
func (s *session) showCard(machine local) {
	s.app.debug("login: %s, quota: %s", s.result, debugQuota(s.blocks.quotaNow()))
	if s.silent() {
		return
	}
	if skew, ok := s.client.tap.clockSkew(s.app.Now()); ok && skew.Abs() > maxSkew {
		s.notice("clock", "this machine's clock is "+skewWords(skew))
	}
	t := s.app.terminal()
	if !t.Interactive {
		s.app.warn(s.notices)
		return
	}
	_, _ = io.WriteString(s.app.Stderr, screen.Card(s.facts(machine), t, s.app.Now()))
	s.app.warn(slices.DeleteFunc(slices.Clone(s.notices), func(n notice) bool { return n.onCard }))
}

func debugQuota(q *quota) string {
	if q == nil {
		return "not known"
	}
	return fmt.Sprintf("%d windows of %s", len(q.windows), q.fetchedAt.UTC().Format("2006-01-02 15:04:05Z"))
}

// facts are what the boot card tells.
func (s *session) facts(machine local) screen.Facts {
	f := screen.Facts{
		Versions: screen.Versions{
			Cdx: s.app.Version, Codex: versionOf(s.codex, s.state.Codex), Offer: machine.offer, Type: machine.take,
		},
		Gateway: screen.Gateway{Host: s.client.host(), RoundTrip: s.took},
		Window:  s.window(),
		Month:   s.month(machine.commands),
	}
	if s.offline != nil {
		f.Gateway.Unreachable = s.offline.reason()
	}
	if machine.waiting != nil {
		f.Waiting = *machine.waiting
	}
	if !s.usesOwnCredential() {
		f.Login, f.Quota, f.Policy = s.loginOnScreen(machine.notKept), s.quotaOnScreen(), s.policyOnScreen()
	}
	return f
}

// window is until when an insecure host may take part; nil on others.
func (s *session) window() *screen.HostWindow {
	host := s.blocks.host()
	if host == nil || host.Secure || host.InsecureEnabledUntil.IsZero() {
		return nil
	}
	return &screen.HostWindow{Until: host.InsecureEnabledUntil.Time}
}

// loginOnScreen is the login on disk; nil without one.
func (s *session) loginOnScreen(notKept bool) *screen.Login {
	if !s.login.exists() {
		return nil
	}
	l := &screen.Login{ValidUntil: s.login.claims().expiresAt, Cached: s.offline != nil, NotKept: notKept}
	if s.state.KnownDigest == s.login.digest() {
		l.Generation = s.state.Generation
	}
	return l
}

// quotaOnScreen is the account's quota; nil when the gateway has nothing to say about it.
func (s *session) quotaOnScreen() *screen.Quota {
	q := s.blocks.quotaNow()
	if q == nil {
		return nil
	}
	return &screen.Quota{Windows: q.windows, SeenAt: q.fetchedAt, Stale: !q.fresh(s.app.Now())}
}

// policyOnScreen is what the fleet does about the quota; nil when it does not say.
func (s *session) policyOnScreen() *screen.Policy {
	policy, host := s.blocks.policy(), s.blocks.host()
	if policy == nil {
		return nil
	}
	return &screen.Policy{LimitPercent: limitOf(policy), Refuses: policy.QuotaHardFail && (host == nil || !host.VIP)}
}

// month is what this machine used this month; nil when the gateway does not say.
func (s *session) month(commands *screen.Commands) *screen.Month {
	used := s.blocks.month()
	if used == nil {
		return nil
	}
	m := &screen.Month{Tokens: used.Total}
	if used.Cost > 0 || used.Total == 0 { // 0 for tokens that were used: there is no price
		m.Cost = &used.Cost
	}
	if commands != nil {
		m.Remark = fmt.Sprintf("%d commands current", commands.Current)
	}
	return m
}

// onScreen is a refusal as terminals show it.
func (r *refusal) onScreen() *screen.Refusal {
	shown := &screen.Refusal{Label: r.label, What: screen.Words{Long: r.what, Short: r.short}, Cause: screen.Words{Long: r.cause}}
	for line := range strings.SplitSeq(r.next, "\n") {
		words := screen.Words{Long: line}
		switch sentence, command, found := strings.Cut(line, ": cdxgate "); {
		case line == "":
			continue
		case line == notStarted(r.exit):
			words.Short = fmt.Sprintf("Codex not started, exit %d", r.exit)
		case found:
			words = screen.Words{Long: sentence + ":", Type: "cdxgate " + command}
		}
		shown.Next = append(shown.Next, words)
	}
	return shown
}

// codexTarget is the Codex that this machine should run; "": the gateway does not say.
func codexTarget(host *api.Host, versions api.Versions) string {
	switch {
	case host != nil && host.ClientVersionOverride != nil:
		return *host.ClientVersionOverride
	case versions.ClientVersion != nil:
		return *versions.ClientVersion
	}
	return ""
}
