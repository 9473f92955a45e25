package caddymodule

import (
	"encoding/json"
	"maps"
	"net"
	"slices"
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/cdxgate/cdxgate/internal/access"
)

// httpConfig is the part of the http app's configuration that says where a site is.
type httpConfig struct {
	HTTPPort  int                   `json:"http_port"`
	HTTPSPort int                   `json:"https_port"`
	Servers   map[string]httpServer `json:"servers"`
}

type httpServer struct {
	Listen []string `json:"listen"`
	Routes []route  `json:"routes"`
	Auto   struct {
		Disabled bool     `json:"disable"`
		Skip     []string `json:"skip"` // hosts that are served without TLS
	} `json:"automatic_https"`
}

type route struct {
	Match []struct {
		Host []string `json:"host"`
	} `json:"match"`
	Handle []struct {
		Handler string        `json:"handler"`
		Routes  []route       `json:"routes"`
		Access  []access.Kind `json:"access"`
	} `json:"handle"`
}

// loginSite is the base URL of the site that accepts sessions, which is where login links point; empty when there is
// none. Of several that of this machine counts.
func (c *config) loginSite() string {
	var app httpConfig
	if raw := c.Apps["http"]; raw == nil || json.Unmarshal(raw, &app) != nil {
		return ""
	}
	var found []string
	for _, name := range slices.Sorted(maps.Keys(app.Servers)) {
		server := app.Servers[name]
		for _, host := range sessionHosts(server.Routes, "") {
			if url, local := app.siteURL(server, host); local {
				return url
			} else if url != "" {
				found = append(found, url)
			}
		}
	}
	if len(found) == 0 {
		return ""
	}
	return found[0]
}

// sessionHosts are the hosts of the routes below which sessions are accepted; empty: any host, if none of the routes
// above names one.
func sessionHosts(routes []route, host string) (hosts []string) {
	for _, r := range routes {
		of := host
		for _, match := range r.Match {
			if len(match.Host) > 0 {
				of = match.Host[0]
				break
			}
		}
		for _, handler := range r.Handle {
			if handler.Handler == "cdxgate_dashboard" && slices.Contains(handler.Access, access.Session) {
				hosts = append(hosts, of)
			}
			hosts = append(hosts, sessionHosts(handler.Routes, of)...)
		}
	}
	return hosts
}

// siteURL is the base URL of a host on a server; local says that only this machine reaches it. A site without TLS has
// none: no browser would keep the cookie.
func (app *httpConfig) siteURL(server httpServer, host string) (url string, local bool) {
	if len(server.Listen) == 0 || server.Auto.Disabled || slices.Contains(server.Auto.Skip, host) {
		return "", false
	}
	listener, err := caddy.ParseNetworkAddress(server.Listen[0])
	plain, standard := orPort(app.HTTPPort, caddyhttp.DefaultHTTPPort), orPort(app.HTTPSPort, caddyhttp.DefaultHTTPSPort)
	if err != nil || listener.IsUnixNetwork() || int(listener.StartPort) == plain {
		return "", false
	}
	if host == "" {
		if host = listener.Host; host == "" {
			host = "localhost"
		}
	}
	if int(listener.StartPort) != standard || standard != caddyhttp.DefaultHTTPSPort {
		host = net.JoinHostPort(host, strconv.Itoa(int(listener.StartPort)))
	}
	return "https://" + host, isLocal(listener)
}

func orPort(configured, standard int) int {
	if configured != 0 {
		return configured
	}
	return standard
}
