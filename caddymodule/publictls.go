package caddymodule

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/caddyserver/caddy/v2/modules/caddypki"
	"github.com/caddyserver/caddy/v2/modules/caddytls"

	"github.com/cdxgate/cdxgate/internal/publictls"
)

func init() { caddy.RegisterModule(PublicTLS{}) }

// publicTLS is what a machine needs to recognise the certificate that the public URL shows now. Keys change whenever
// Caddy renews, every few hours for its own authority, so whoever prints or hands out something asks anew.
//
// What the system's authorities make of the certificate does not count: Caddy may have put its own into this machine's
// store, as operators do with theirs, and that says nothing about other machines.
func (a *App) publicTLS() publictls.Trust {
	name := secureName(a.PublicURL)
	if name == "" {
		return publictls.Trust{}
	}
	shown := a.shown(name)
	if len(shown) == 0 {
		return publictls.Trust{CA: publictls.Encode(a.publicCA)}
	}
	return a.trust.of(name, shown, slices.Concat(a.ownAuthorities(), a.publicCA))
}

// secureName is the host of an https URL; "" for another URL.
func secureName(publicURL string) string {
	u, err := url.Parse(publicURL)
	if err != nil || u.Scheme != "https" {
		return ""
	}
	return strings.ToLower(u.Hostname())
}

// shown is the chains that Caddy has for a name; none when somebody else ends TLS. As in a handshake, a wildcard counts
// only where there is no certificate for the very name.
func (a *App) shown(name string) (exact [][]*x509.Certificate) {
	if _, err := a.ctx.AppIfConfigured("tls"); err != nil {
		return nil // without it there is no cache to look into
	}
	var wildcards [][]*x509.Certificate
	for _, cert := range caddytls.AllMatchingCertificates(name) {
		if cert.Leaf == nil {
			continue
		}
		chain := []*x509.Certificate{cert.Leaf}
		for _, raw := range cert.Certificate.Certificate[1:] {
			if issuer, err := x509.ParseCertificate(raw); err == nil {
				chain = append(chain, issuer)
			}
		}
		if slices.Contains(cert.Names, name) {
			exact = append(exact, chain)
		} else {
			wildcards = append(wildcards, chain)
		}
	}
	if len(exact) == 0 {
		return wildcards
	}
	return exact
}

// ownAuthorities are the roots of Caddy's own authorities, as `tls internal` uses them. It makes none: those that are
// there were made for a site.
func (a *App) ownAuthorities() (roots []*x509.Certificate) {
	app, err := a.ctx.AppIfConfigured("pki")
	if err != nil {
		return nil
	}
	for _, ca := range app.(*caddypki.PKI).CAs {
		if root := ca.RootCertificate(); root != nil {
			roots = append(roots, root)
		}
	}
	// The same in the same order each time, so that the answer is remembered.
	slices.SortFunc(roots, func(a, b *x509.Certificate) int { return strings.Compare(string(a.Raw), string(b.Raw)) })
	return roots
}

// rememberedTrust keeps the last answer of publictls.Of: hosts ask for it all day, and it changes with a renewal only.
type rememberedTrust struct {
	mu    sync.Mutex
	asked []*x509.Certificate // the valid leaves, then the authorities
	trust publictls.Trust
}

func (r *rememberedTrust) of(name string, shown [][]*x509.Certificate, authorities []*x509.Certificate) publictls.Trust {
	now := time.Now()
	var asked []*x509.Certificate
	for _, chain := range shown {
		if publictls.Valid(chain[0], now) {
			asked = append(asked, chain[0])
		}
	}
	asked = append(asked, authorities...)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.asked == nil || !slices.Equal(asked, r.asked) {
		r.asked, r.trust = asked, publictls.Of(name, shown, authorities, now)
	}
	return r.trust
}

// PublicTLS answers on the admin endpoint what a machine needs to recognise the public URL's certificate: the verbs are
// processes of their own, and only the one that serves knows what it shows. Nothing of it is secret.
type PublicTLS struct{}

const pathPublicTLS = "/cdxgate/public-tls"

// CaddyModule returns the Caddy module information.
func (PublicTLS) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api.cdxgate", New: func() caddy.Module { return new(PublicTLS) }}
}

// Routes implements caddy.AdminRouter.
func (PublicTLS) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{{Pattern: pathPublicTLS, Handler: caddy.AdminHandlerFunc(servePublicTLS)}}
}

// publicTLSAnswer is what a running gateway says. The URL tells a gateway of another configuration from the one meant.
type publicTLSAnswer struct {
	publictls.Trust
	PublicURL string `json:"public_url"`
}

func servePublicTLS(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet {
		return caddy.APIError{HTTPStatus: http.StatusMethodNotAllowed, Err: fmt.Errorf("method %s not allowed", r.Method)}
	}
	running, err := caddy.ActiveContext().AppIfConfigured(appName)
	if err != nil {
		return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: errors.New("cdxgate is not started")}
	}
	app := running.(*App)
	w.Header()["Content-Type"] = []string{"application/json"}
	return json.NewEncoder(w).Encode(publicTLSAnswer{Trust: app.publicTLS(), PublicURL: app.PublicURL}) //nolint:wrapcheck // Caddy logs it
}

// askPublicTLS asks the gateway that runs this app's configuration. Where none answers, public_ca is what is known.
func (a *App) askPublicTLS(adminAddress string) (publictls.Trust, error) {
	if secureName(a.PublicURL) == "" {
		return publictls.Trust{}, nil
	}
	trust, err := a.askRunning(adminAddress)
	if err == nil || a.PublicCA == "" {
		return trust, err
	}
	if err := a.readPublicCA(); err != nil {
		return publictls.Trust{}, err
	}
	return publictls.Trust{CA: publictls.Encode(a.publicCA)}, nil
}

// askPatience bounds how long a verb waits for a gateway that listens and says nothing: what it prints is shown once.
const askPatience = 5 * time.Second

func (a *App) askRunning(adminAddress string) (publictls.Trust, error) {
	switch {
	case adminAddress == "":
		return publictls.Trust{}, errors.New("the configuration has no admin endpoint to ask at")
	case !listens(adminAddress):
		return publictls.Trust{}, errors.New("no gateway answers at " + adminAddress)
	}
	var answer publicTLSAnswer
	answered := make(chan error, 1)
	go func() {
		response, err := caddycmd.AdminAPIRequest(adminAddress, http.MethodGet, pathPublicTLS, nil, nil)
		if err == nil {
			err = errors.Join(json.NewDecoder(response.Body).Decode(&answer), response.Body.Close())
		}
		answered <- err
	}()
	select {
	case err := <-answered:
		switch {
		case err != nil:
			return publictls.Trust{}, fmt.Errorf("asking the running gateway: %w", err)
		case answer.PublicURL != a.PublicURL:
			return publictls.Trust{}, fmt.Errorf("the gateway at %s has another public_url, %s", adminAddress, answer.PublicURL)
		}
		return answer.Trust, nil
	case <-time.After(askPatience):
		return publictls.Trust{}, fmt.Errorf("the gateway at %s does not answer", adminAddress)
	}
}

// readPublicCA reads the file of the option, which a start does, and nothing before it.
func (a *App) readPublicCA() (err error) {
	if a.PublicCA == "" {
		return nil
	}
	if a.publicCA, err = publictls.ReadFile(a.PublicCA); err != nil {
		return fmt.Errorf("option “public_ca”: %w", err)
	}
	return nil
}

// Interface guards
var _ caddy.AdminRouter = PublicTLS{}
