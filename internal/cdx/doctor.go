package cdx

import (
	"context"
	"errors"
	"os"
	"runtime"

	"github.com/cdxgate/cdxgate/internal/cdx/screen"
)

// doctor is cdx doctor: look at everything that a start of Codex depends on, and say what corrects what is wrong. It
// writes nothing.
func (a *app) doctor(ctx context.Context, c call) (int, error) {
	var findings []screen.Finding
	config, err := loadConfig()
	findings = append(findings, a.examineConfig(err))
	codex := a.lookAtCodex(ctx)
	if err == nil {
		s := a.newSession(config, codex.Path)
		denied, err := s.look(ctx, codex.Version)
		if err == nil {
			findings = append(findings, s.examineGateway(denied)...)
		}
		findings = append(findings, s.examineLogin(err), s.examineCodex(codex))
		findings = append(findings, s.home.examineUpdates()...)
	}
	findings = append(findings, a.examineMachine()...)
	if c.output == "json" {
		document := screen.NewDoctorJSON(findings)
		return a.printJSON(document, document.Exit)
	}
	text, exit := screen.Doctor(findings, screen.Detect(a.Stdout, os.Getenv, firstNonEmpty(c.colour, a.options.colour)))
	if _, err := a.print(text); err != nil {
		return 0, err
	}
	return exit, nil
}

func fine(label, what string) screen.Finding { return screen.Finding{Label: label, What: what} }

func fault(state screen.State, label, what, means, command string) screen.Finding {
	return screen.Finding{State: state, Label: label, What: what, Means: means, Type: command}
}

// examineConfig says whether the configuration is there, private and usable; err is what loadConfig says.
func (a *app) examineConfig(err error) screen.Finding {
	if err == nil {
		path, _ := configPath() // it was read
		return fine("config", display(path)+", in order")
	}
	refused, ok := errors.AsType[*refusal](err)
	if !ok {
		refused = &refusal{what: err.Error()}
	}
	return fault(screen.Refused, "config", refused.what, "Codex does not start with the fleet's login.", refused.next)
}

// examineGateway is about the exchange of look: whether there was an answer, what it says about this machine, and what
// the clock was.
func (s *session) examineGateway(denied *failure) []screen.Finding {
	var findings []screen.Finding
	gateway := screen.StatusGateway{URL: s.client.config.BaseURL, RoundTrip: s.took, CertificateUntil: s.client.tap.certificate()}
	switch {
	case s.offline != nil:
		means := "Codex starts with the login on disk, for a while."
		if err := s.mayGoOn(); err != nil {
			means = "Codex does not start: " + err.Error() + "."
		}
		findings = append(findings,
			fault(screen.Refused, "gateway", s.client.host()+" "+s.offline.reason(), means, "curl -v "+s.client.config.BaseURL+"/livez"),
			fault(screen.Unknown, "key", "not known while the gateway does not answer", "", ""))
	case denied != nil && denied.untrusted():
		findings = append(findings, fault(screen.Refused, "gateway", "the certificate of "+s.client.host()+" cannot be verified: "+denied.Error(),
			"Somebody else may answer in its place, or this machine's clock is wrong.", "curl -v "+s.client.config.BaseURL+"/livez"))
	default:
		words, state := gateway.Words(s.app.Now())
		findings = append(findings, screen.Finding{State: state, Label: "gateway", What: words}, s.examineKey(denied))
	}
	return append(findings, s.examineClock(), s.examineContact())
}

// examineKey says what the gateway makes of this machine's API key.
func (s *session) examineKey(denied *failure) screen.Finding {
	if denied == nil {
		return fine("key", "accepted, this machine is "+s.client.config.FQDN)
	}
	refused := s.refusalOf(denied).onScreen()
	finding := fault(screen.Refused, "key", refused.What.Long, refused.Cause.Long, "")
	if next := withoutCodex(refused.Next); len(next) > 0 {
		finding.Type = next[0].Type
		if finding.Type == "" {
			finding.Type = next[0].Long
		}
	}
	return finding
}

// examineClock compares this machine's clock with the gateway's.
func (s *session) examineClock() screen.Finding {
	skew, ok := s.client.tap.clockSkew(s.app.Now())
	switch {
	case !ok:
		return fault(screen.Unknown, "clock", "not known, the gateway did not say the time", "", "")
	case skew.Abs() > maxSkew:
		return fault(screen.Attention, "clock", "this machine's is "+skewWords(skew),
			"Which login is newer is decided by times.", setClock())
	default:
		return fine("clock", "within "+screen.Span(maxSkew)+" of the gateway's")
	}
}

// setClock is the command that sets this machine's clock by the network.
func setClock() string {
	switch runtime.GOOS {
	case "windows":
		return "w32tm /resync"
	case "darwin":
		return "sudo sntp -sS time.apple.com"
	default:
		return "timedatectl set-ntp true"
	}
}

// examineContact says when the gateway answered a start of Codex last.
func (s *session) examineContact() screen.Finding {
	last := s.home.lastContact()
	if last.IsZero() {
		return fault(screen.Unknown, "contact", "no start of Codex has reached the gateway yet", "", "")
	}
	age := s.app.Now().Sub(last)
	if s.offline != nil && s.mayGoOn() != nil {
		return fault(screen.Refused, "contact", "last "+screen.Span(age)+" ago", "That is longer than this machine may go on without.", "cdx sync")
	}
	return fine("contact", "last "+screen.Span(age)+" ago")
}
