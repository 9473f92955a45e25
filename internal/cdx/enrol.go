package cdx

import (
	"bufio"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/cdx/files"
)

// Bounds of what is read from standard input.
const (
	maxInstallURLBytes = 4 << 10
	maxCABytes         = 64 << 10
)

// enrol is cdx enroll: spend an install token for this machine's configuration, then take the login.
func (a *app) enrol(ctx context.Context) (int, error) {
	invited, err := a.readInvitation()
	if err != nil {
		return 0, err
	}
	path, err := enrolPath(os.Geteuid() == 0)
	if err != nil {
		return 0, err
	}
	// The token works once: find out whether the answer can be kept before asking for it.
	file, access, err := prepareConfig(path)
	if err != nil {
		return 0, &refusal{
			exit: ExitCannotWrite, label: "stopped", what: "the configuration cannot be written: " + err.Error(),
			next: "make room or rights, then try again\nThe install command was not used.",
		}
	}
	config, err := a.claim(ctx, invited)
	if err != nil {
		return 0, errors.Join(err, file.Discard())
	}
	text, err := config.encode()
	if err != nil {
		return 0, errors.Join(err, file.Discard())
	}
	if err := file.Commit(text); err != nil {
		return 0, &refusal{
			exit: ExitCannotWrite, label: "stopped", what: err.Error(),
			next: "the install command is used up; ask an admin for a new one: cdxgate host add " + config.FQDN,
		}
	}
	a.tell(signGood, "enrolled, key stored in "+display(path)+" ("+access+")")
	return a.takeLogin(ctx, config)
}

// prepareConfig makes room for the configuration at path, and returns who will have access to it.
func prepareConfig(path string) (file *files.Pending, access string, err error) {
	if path == systemConfig {
		if err := makeSystemDir(); err != nil {
			return nil, "", err
		}
	}
	if file, err = files.Prepare(path); err != nil {
		return nil, "", err
	}
	if access, err = keepAccess(file.File(), path); err != nil {
		return nil, "", errors.Join(err, file.Discard())
	}
	return file, access, nil
}

// invitation is what an installer hands over.
type invitation struct {
	url   *url.URL
	ca    string         // PEM: the authority that signed the gateway's certificate; "": one of the system's
	roots *x509.CertPool // the system's authorities and those of ca; nil: the system's
}

// readInvitation reads the install URL, one line, and the certificates that may follow it. On a terminal it asks for the
// URL alone; as arguments other users could see it.
func (a *app) readInvitation() (*invitation, error) {
	onTerminal := term.IsTerminal(int(a.Stdin.Fd()))
	if onTerminal {
		_, _ = fmt.Fprint(a.Stderr, "Install URL: ")
	}
	input := bufio.NewReader(io.LimitReader(a.Stdin, maxInstallURLBytes+maxCABytes))
	line, err := input.ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading the install URL: %w", err)
	}
	var read invitation
	if read.url, err = parseInstallURL(strings.TrimSpace(line)); err != nil || onTerminal {
		return &read, err
	}
	text, err := io.ReadAll(input)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate authority: %w", err)
	}
	read.ca = strings.TrimSpace(string(text))
	if read.roots, err = rootsWith(read.ca); err != nil {
		return nil, misusedInvitation("what follows the install URL is no certificate authority: " + err.Error())
	}
	return &read, nil
}

func misusedInvitation(what string) error {
	return &refusal{
		exit: ExitUsage, label: "usage", what: what,
		next: "ask an admin for an install command (cdxgate host add NAME) and give its URL on standard input",
	}
}

func parseInstallURL(line string) (*url.URL, error) {
	if line == "" {
		return nil, misusedInvitation("there was no install URL on standard input")
	}
	installURL, err := url.Parse(line)
	if len(line) > maxInstallURLBytes || err != nil || installURL.Host == "" || installURL.RawQuery != "" || installURL.Fragment != "" {
		return nil, misusedInvitation("what was read is not an install URL")
	}
	_, token, found := strings.Cut(installURL.Path, api.PathInstall)
	if !found || token == "" || strings.Contains(token, "/") {
		return nil, misusedInvitation("what was read is not an install URL: it ends in " + api.PathInstall + "TOKEN")
	}
	if err := checkTransport(installURL); err != nil {
		return nil, misusedInvitation(err.Error())
	}
	return installURL, nil
}

// claim spends the install token.
//
// Errors: *refusal.
func (a *app) claim(ctx context.Context, invited *invitation) (*Config, error) {
	ctx, cancel := context.WithTimeout(ctx, enrolTimeout)
	defer cancel()
	c := &client{http: newHTTPClient(invited.roots, "tcp"), userAgent: a.userAgent(), platform: a.platform, version: a.Version}
	var answer api.EnrolResponse
	err := c.post(ctx, invited.url.String(), api.EnrolRequest{Platform: a.platform, WrapperVersion: a.Version}, &answer)
	if f := asFailure(err); f != nil {
		return nil, refuseEnrolment(invited.url.Host, f)
	}
	if err != nil {
		return nil, err
	}
	config, err := configFrom(&answer, invited.ca, a.Now())
	if err != nil {
		return nil, &refusal{
			exit: ExitUnavailable, label: "stopped", what: "the configuration that " + invited.url.Host + " gave is unusable: " + err.Error(),
			next: "tell an admin; a new install command is needed",
		}
	}
	return config, nil
}

func refuseEnrolment(host string, f *failure) *refusal {
	const nothing = "Nothing was stored."
	switch {
	case f.untrusted():
		return &refusal{
			exit: ExitDenied, label: "denied", what: "the certificate of " + host + " cannot be verified",
			cause: f.err.Error(), next: "check this machine's clock and network, then ask an admin\n" + nothing,
		}
	case f.status == http.StatusGone:
		return &refusal{
			exit: ExitDenied, label: "denied", what: "this install command does not work any more", cause: field(f.Error()),
			next: "it works once, for a short time. Ask an admin for a new one: cdxgate host add NAME\n" + nothing,
		}
	case f.status == http.StatusNotFound:
		return &refusal{
			exit: ExitDenied, label: "denied", what: "this install command is not known at " + host, cause: field(f.Error()),
			next: "copy the whole URL, or ask an admin for a new one: cdxgate host add NAME\n" + nothing,
		}
	}
	switch f.classify() {
	case standsDenied:
		return &refusal{
			exit: ExitDenied, label: "denied", what: host + " refuses this machine", cause: field(f.Error()), next: nothing,
		}
	case standsLimited:
		return &refusal{
			exit: ExitTryLater, label: "gateway", what: host + " has had too many requests", next: "try again in a minute\n" + nothing,
		}
	default:
		return &refusal{
			exit: ExitUnavailable, label: "gateway", what: host + " " + field(f.reason()),
			next: "try again; if the install command is then used up, ask an admin for a new one\n" + nothing,
		}
	}
}

// takeLogin is the end of an enrolment: the machine is the fleet's already, whatever the rest brings.
func (a *app) takeLogin(ctx context.Context, config *Config) (int, error) {
	codex := a.lookAtCodex(ctx)
	s := a.newSession(config, codex.Path)
	defer s.leave(ctx)
	err := s.syncHere(ctx, codex)
	loggedIn := err == nil && s.asked()
	switch {
	case errors.Is(err, errNoLogin):
		a.tell(signNotice, "no login on the gateway yet: cdxgate auth upload ~/.codex/auth.json")
	case err != nil:
		return 0, err
	}
	switch {
	case codex.Path == "":
		a.tell(signNotice, "Codex was not found. The first start installs it; now: cdx update")
		return 0, nil
	case codex.Version == "":
		a.tell(signNotice, "Codex was found, but does not tell its version: "+display(codex.Path))
	default:
		a.tell(signGood, "Codex "+codex.Version+" found")
	}
	if loggedIn {
		_, _ = fmt.Fprint(a.Stderr, "\nReady. Type: cdx\n")
	}
	return 0, nil
}
