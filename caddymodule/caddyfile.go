package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() {
	httpcaddyfile.RegisterGlobalOption(appName, parseApp)

	guard("cdxgate_host_key", func() caddyhttp.MiddlewareHandler { return new(HostKey) })
	responder("cdxgate_auth", plain(func() caddyhttp.MiddlewareHandler { return new(Auth) }))
	responder("cdxgate_usage", plain(func() caddyhttp.MiddlewareHandler { return new(Usage) }))
	responder("cdxgate_library", plain(func() caddyhttp.MiddlewareHandler { return new(Library) }))
	responder("cdxgate_installer", plain(func() caddyhttp.MiddlewareHandler { return new(Installer) }))
	responder("cdxgate_versions", plain(func() caddyhttp.MiddlewareHandler { return new(Versions) }))
	responder("cdxgate_admin", parseAdmin)
	responder("cdxgate_dashboard", parseDashboard)
	responder("cdxgate_api", parseAPI)
	responder("cdxgate_console", parseConsole)
}

type makeHandler func() caddyhttp.MiddlewareHandler

// guard registers a directive that stands before whatever answers.
func guard(name string, newHandler makeHandler) {
	httpcaddyfile.RegisterHandlerDirective(name, plain(newHandler))
	httpcaddyfile.RegisterDirectiveOrder(name, httpcaddyfile.After, "basic_auth")
}

// responder registers a directive that answers.
func responder(name string, parse httpcaddyfile.UnmarshalHandlerFunc) {
	httpcaddyfile.RegisterHandlerDirective(name, parse)
	httpcaddyfile.RegisterDirectiveOrder(name, httpcaddyfile.Before, "respond")
}

// plain parses a directive that takes neither arguments nor options.
func plain(newHandler makeHandler) httpcaddyfile.UnmarshalHandlerFunc {
	return func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		if err := noOptions(h.Dispenser); err != nil {
			return nil, err
		}
		return newHandler(), nil
	}
}

func noOptions(d *caddyfile.Dispenser) error {
	d.Next()
	name := d.Val()
	if d.NextArg() {
		return d.Errf("%s takes no arguments, got %q", name, d.Val())
	}
	for d.NextBlock(0) {
		return d.Errf("%s takes no options, got %q", name, d.Val())
	}
	return nil
}

// parseApp reads the global option:
//
//	cdxgate {
//		public_url         <url> [<url>...]   # the first counts; the others are what it falls back to when it is empty
//		public_ca          <file>
//		admin_ca           <file> [<file>...]
//		data_dir           <dir>
//		database           <connection string>
//		database_max_conns <number>
//		postgres_binaries  <dir>
//		keyring            <file>
//		client_binaries    <dir>
//		auto_update        on|off
//		client_release_key <minisign public key>
//		client_rollback    on|off
//		codex_releases     <url>
//		chatgpt_url        <url>|off
//		github_api         <url>|off
//		install_token_ttl  <duration>
//		seed_token_ttl     <duration>
//		audit_retention    <duration>
//		ipv6_prefix        <bits>
//		runner_bypass      <network> [<network>...]
//		limit              <bucket> <hits> <window> [<block>]
//		limit              <bucket> off
//		start_timeout      <duration>
//	}
//
// Each option may stand once, “limit” once for each bucket; an option it does not know is an error.
func parseApp(d *caddyfile.Dispenser, previous any) (any, error) {
	d.Next()
	if previous != nil {
		return nil, d.Err("the global option “cdxgate” may stand only once")
	}
	app := &App{}
	if d.NextArg() {
		return nil, d.Errf("the global option “cdxgate” takes no arguments, got %q", d.Val())
	}
	seen := map[string]bool{}
	for d.NextBlock(0) {
		option := d.Val()
		if seen[option] && option != "limit" {
			return nil, d.Errf("option %q stands twice", option)
		}
		seen[option] = true
		if err := app.parseOption(d, option); err != nil {
			return nil, err
		}
		for d.NextBlock(1) {
			return nil, d.Errf("option %q takes no block, got %q", option, d.Val())
		}
	}
	return httpcaddyfile.App{Name: appName, Value: caddyconfig.JSON(app, nil)}, nil
}

func (a *App) parseOption(d *caddyfile.Dispenser, option string) error {
	values := d.RemainingArgs()
	texts := map[string]*string{
		"public_ca": &a.PublicCA, "data_dir": &a.DataDir, "database": &a.Database, "postgres_binaries": &a.PostgresBinaries,
		"keyring": &a.Keyring, "client_binaries": &a.ClientBinaries,
		"client_release_key": &a.ClientReleaseKey, "codex_releases": &a.CodexReleases, "chatgpt_url": &a.ChatGPTURL, "github_api": &a.GitHubAPI,
	}
	valid := map[string]func(string) error{
		"client_release_key": validReleaseKey, "codex_releases": validReleasesURL, "chatgpt_url": validChatGPTURL, "github_api": validGitHub,
	}
	switches := map[string]func(bool){
		"auto_update": func(on bool) { a.AutoUpdate = &on }, "client_rollback": func(on bool) { a.ClientRollback = on },
	}
	durations := map[string]*caddy.Duration{
		"install_token_ttl": &a.InstallTokenTTL, "seed_token_ttl": &a.SeedTokenTTL, "audit_retention": &a.AuditRetention,
		"start_timeout": &a.StartTimeout,
	}
	numbers := map[string]func(int32){
		"database_max_conns": func(n int32) { a.DatabaseMaxConns = n }, "ipv6_prefix": func(n int32) { a.IPv6Prefix = int(n) },
	}
	switch text, duration, number, turn := texts[option], durations[option], numbers[option], switches[option]; {
	case option == "public_url":
		if len(values) == 0 {
			return d.Errf("option %q wants a URL", option)
		}
		if err := validPublicURL(values[0]); err != nil {
			return d.Errf("option %q: %v", option, err)
		}
		a.PublicURL = values[0]
	case option == "admin_ca":
		if len(values) == 0 {
			return d.Errf("option %q wants a file", option)
		}
		a.AdminCA = values
	case option == "limit":
		return a.parseLimit(d, values)
	case option == "runner_bypass":
		if len(values) == 0 {
			return d.Errf("option %q wants a network", option)
		}
		if _, err := networks(option, values); err != nil {
			return d.Err(err.Error())
		}
		a.RunnerBypass = values
	case text == nil && duration == nil && number == nil && turn == nil:
		return d.Errf("unknown option %q of cdxgate", option)
	case len(values) != 1:
		return d.Errf("option %q wants one value, got %d", option, len(values))
	case text != nil:
		if check := valid[option]; check != nil {
			if err := check(values[0]); err != nil {
				return d.Errf("option %q: %v", option, err)
			}
		}
		*text = values[0]
	case turn != nil:
		if values[0] != "on" && values[0] != "off" {
			return d.Errf("option %q wants on or off, got %q", option, values[0])
		}
		turn(values[0] == "on")
	case duration != nil:
		parsed, err := caddy.ParseDuration(values[0])
		if err != nil || parsed <= 0 {
			return d.Errf("option %q wants a positive duration such as 30m, got %q", option, values[0])
		}
		*duration = caddy.Duration(parsed)
	default:
		n, err := strconv.ParseInt(values[0], 10, 32)
		if err != nil || n < 1 {
			return d.Errf("option %q wants a number from 1 on, got %q", option, values[0])
		}
		number(int32(n))
	}
	return nil
}

// validPublicURL refuses what must not end up in an install command.
func validPublicURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return fmt.Errorf("want http(s)://host[:port][/path], got %q", text)
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.HasSuffix(text, "/") {
		return fmt.Errorf("want no user, query, fragment or final slash, got %q", u.Redacted())
	}
	if strings.Trim(strings.ToLower(text), "abcdefghijklmnopqrstuvwxyz0123456789-._~:/[]") != "" {
		return errors.New("want letters, digits and -._~:/[] only")
	}
	return nil
}

// parseAPI reads the shorthand for everything that hosts need, in the right order, and the 404 for everything else:
//
//	cdxgate_api [<matcher>] {
//		passthrough   # pass on what is not ours instead
//	}
func parseAPI(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h.Next()
	if h.NextArg() {
		return nil, h.Errf("cdxgate_api takes no arguments, got %q", h.Val())
	}
	handlers := []string{
		`{"handler":"cdxgate_installer"}`, `{"handler":"cdxgate_auth"}`, `{"handler":"cdxgate_usage"}`,
		`{"handler":"cdxgate_library"}`, `{"handler":"cdxgate_versions"}`,
	}
	passthrough := false
	for h.NextBlock(0) {
		switch {
		case h.Val() != "passthrough":
			return nil, h.Errf("unknown option %q of cdxgate_api", h.Val())
		case passthrough:
			return nil, h.Errf("option %q stands twice", h.Val())
		case h.NextArg():
			return nil, h.Errf("option \"passthrough\" takes no value, got %q", h.Val())
		}
		passthrough = true
	}
	if !passthrough {
		handlers = append(handlers, `{"handler":"cdxgate_fallback","hosts":true}`)
	}
	return chain(handlers), nil
}

// chain is one route through handlers, each of which passes on what is not its own.
func chain(handlers []string) *caddyhttp.Subroute {
	raw := make([]json.RawMessage, 0, len(handlers))
	for _, handler := range handlers {
		raw = append(raw, json.RawMessage(handler))
	}
	return &caddyhttp.Subroute{Routes: caddyhttp.RouteList{{HandlersRaw: raw}}}
}
