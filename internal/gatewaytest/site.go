package gatewaytest

import (
	"crypto/tls"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/adminca"
	"github.com/cdxgate/cdxgate/internal/door"
)

// AdminSite is one more listener for admins.
type AdminSite struct {
	URL string
}

// AdminSite opens a listener that accepts what it is told. It asks for client certificates and refuses none for want of
// one, so that the surface itself has to.
func (g *Gateway) AdminSite(t testing.TB, kinds ...access.Kind) *AdminSite {
	t.Helper()
	server := httptest.NewUnstartedServer(withClientIP(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.serveAdmins(w, r.WithContext(door.Accepting(r.Context(), kinds)))
	})))
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		pool, _, err := adminca.Pool(adminca.PoolFile(g.DataDir), g.adminCA...)
		if err != nil {
			return nil, err
		}
		return &tls.Config{
			MinVersion: tls.VersionTLS12, Certificates: server.TLS.Certificates, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: pool,
		}, nil
	}}
	server.Config.ErrorLog = slog.NewLogLogger(g.Logger().Handler(), slog.LevelDebug)
	server.StartTLS()
	t.Cleanup(func() {
		g.Dashboard.Close() // the server would wait for its streams
		server.Close()
	})
	return &AdminSite{server.URL}
}

// Do calls the site with a client made by [Gateway.AdminClient]. Redirects are not followed.
func (s *AdminSite) Do(t testing.TB, client *http.Client, r Request) *Answer {
	t.Helper()
	direct := *client
	direct.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return send(t, &direct, s.URL, r)
}
