// Package operator is the gateway's face to a shell on the server: verbs that work on the database directly, beside a
// running gateway or without one, with the keyring of the same configuration.
package operator

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/adminca"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/credential"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/internal/gateway"
	"github.com/cdxgate/cdxgate/internal/github"
	"github.com/cdxgate/cdxgate/internal/library"
	"github.com/cdxgate/cdxgate/internal/policy"
	"github.com/cdxgate/cdxgate/internal/publictls"
	"github.com/cdxgate/cdxgate/internal/quota"
	"github.com/cdxgate/cdxgate/internal/ratelimit"
	"github.com/cdxgate/cdxgate/internal/release"
)

// ErrDeclined is a question that was answered with no, or that nobody was there to answer.
var ErrDeclined = errs.New(errs.Conflict, "declined", "nothing was changed")

// Config says what to work on and with whom to talk.
type Config struct {
	Gateway    gateway.Config
	PublicURL  string
	Version    string                          // of the gateway and of the cdx it hands out
	PublicTLS  func() (publictls.Trust, error) // what a machine needs to recognise the public URL's certificate now
	InstallTTL time.Duration
	SeedTTL    time.Duration
	AdminCA    []*x509.Certificate // the operator's own authorities that vouch for admins
	Limits     ratelimit.Rules     // of the gateway
	ChatGPTURL string              // who is asked about the quota; empty: nobody is
	GitHub     *github.Client      // asked for the newest Codex; nil: nobody is
	LoginSite  string              // base URL of the site that accepts sessions; empty: there is none
	JSON       bool                // print one JSON document instead of words
	Yes        bool                // answer every question with yes

	In  io.Reader
	Out io.Writer // results
	Err io.Writer // words about them
}

// Console is an open gateway with somebody in front of it. Close it.
type Console struct {
	Config
	core        *gateway.Core
	fleet       *fleet.Service
	credentials *credential.Service
	certs       *adminca.Service
	access      *access.Service
	library     *library.Service
	policies    *policy.Service
	quota       *quota.Service
	codex       *release.Codex
	limits      *ratelimit.Service
	account     db.Account
	by          audit.Actor
}

// Open connects to the configuration's database, starting the embedded PostgreSQL if nobody runs it.
func Open(ctx context.Context, cfg Config) (*Console, error) {
	core, err := gateway.Open(ctx, cfg.Gateway, gateway.Verb)
	if err != nil {
		return nil, err
	}
	c := &Console{
		Config: cfg, core: core,
		fleet:       fleet.New(core.DB, core.Keyring, fleet.Config{PublicURL: cfg.PublicURL, InstallTTL: cfg.InstallTTL}),
		credentials: credential.New(core.DB, core.Keyring, credential.Config{PublicURL: cfg.PublicURL, SeedTTL: cfg.SeedTTL}),
		certs:       adminca.NewService(core.DB, core.Keyring, adminca.Config{DataDir: cfg.Gateway.DataDir, Authorities: cfg.AdminCA}),
		access:      access.New(core.DB),
		library:     library.New(core.DB, nil),
		policies:    policy.New(core.DB, nil),
		codex:       release.NewCodex(core.DB, cfg.GitHub),
		limits:      ratelimit.New(core.DB, cfg.Limits),
		by:          Actor(),
	}
	c.quota = quota.New(core.DB, quota.Config{URL: cfg.ChatGPTURL, Login: c.credentials.AccessToken})
	if c.account, err = core.DB.AccountByName(ctx, "default"); err != nil {
		return nil, errors.Join(fmt.Errorf("looking up the account: %w", err), c.Close())
	}
	return c, nil
}

// Explain replaces err, which an act on the console returned, by the reason when a gateway's PostgreSQL stopped under it.
func (c *Console) Explain(err error) error { return c.core.Explain(err) }

// Close lets go of the database, and stops PostgreSQL if Open started it.
func (c *Console) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return c.core.Close(ctx)
}

// Actor is the user on the console.
func Actor() audit.Actor { return audit.Actor{Kind: audit.KindOperator, Name: userName()} }

// userName is who acts on the console: under sudo, the one who typed it.
func userName() string {
	if name := os.Getenv("SUDO_USER"); name != "" && os.Geteuid() == 0 {
		return name
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return fmt.Sprintf("uid %d", os.Getuid())
}

// print writes the result: as JSON if asked for, else by words.
func (c *Console) print(document any, words func(out io.Writer)) error {
	if !c.JSON {
		words(c.Out)
		return nil
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(document); err != nil {
		return fmt.Errorf("printing the result: %w", err)
	}
	// Whatever is not graphic stands inside a string, where the escape means the same.
	if _, err := io.WriteString(c.Out, visible(text.String(), "\n")); err != nil {
		return fmt.Errorf("printing the result: %w", err)
	}
	return nil
}

// printText prints a text as it is, except to a terminal, which must not obey it.
func (c *Console) printText(text string) error {
	if isTerminal(c.Out) {
		text = strings.TrimSuffix(visible(text, "\n\t"), "\n") + "\n"
	}
	if _, err := io.WriteString(c.Out, text); err != nil {
		return fmt.Errorf("printing the text: %w", err)
	}
	return nil
}

// say writes words for people, unless a program is listening.
func (c *Console) say(format string, args ...any) {
	if !c.JSON {
		_, _ = fmt.Fprintf(c.Err, format+"\n", args...)
	}
}

// publicTLS is what a machine needs to recognise the gateway. What the operator has to do about it is said.
func (c *Console) publicTLS() publictls.Trust {
	trust, err := c.PublicTLS()
	switch {
	case err != nil:
		c.say("! Nobody could say what certificate the gateway shows: %v", err)
		c.say("  If it is from a private authority, ask for a new command once the gateway runs.")
	case trust.ByHand():
		c.say("! The certificate is from your own authority (public_ca): the machine must know that already,")
		c.say("  or curl must be given its file: curl --cacert FILE …")
	}
	return trust
}

// confirm asks a question that must be answered with yes.
func (c *Console) confirm(question string) error {
	if c.Yes {
		return nil
	}
	if !isTerminal(c.In) {
		return ErrDeclined.WithCause(errors.New(question + " Add --yes to say so without a terminal"))
	}
	return c.ask(question)
}

func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

func (c *Console) ask(question string) error {
	_, _ = fmt.Fprintf(c.Err, "%s Type yes: ", question)
	answer, _ := bufio.NewReader(io.LimitReader(c.In, 64)).ReadString('\n')
	if strings.TrimSpace(strings.ToLower(answer)) != "yes" {
		return ErrDeclined
	}
	return nil
}

// advise adds to a refusal what to do about it.
func advise(err error, about *errs.Error, format string, args ...any) error {
	if !errors.Is(err, about) {
		return err
	}
	return errs.Of(err).WithCause(fmt.Errorf(format, args...))
}

// ago says how long before now a moment was, as the tables show it.
func ago(t *time.Time, now time.Time) string {
	if t == nil {
		return "never"
	}
	switch d := now.Sub(*t); {
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < 24*time.Hour:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	default:
		return fmt.Sprintf("%d d ago", int(d.Hours()/24))
	}
}

// left says how long something is still good: 7 d 17 h.
func left(until, now time.Time) string {
	d := until.Sub(now)
	switch {
	case d <= 0:
		return "expired"
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 24*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%d d %d h", int(d.Hours())/24, int(d.Hours())%24)
	}
}

const timeLayout = "Mon 2 Jan 2006 15:04 UTC"

func moment(t time.Time) string { return t.UTC().Format(timeLayout) }
