package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/pflag"
)

const (
	dataDirMode   = 0o711 // PostgreSQL's own user passes through
	runDirMode    = 0o700
	maxSocketPath = 100 // bytes; the kernel takes 107, and Caddy may append permission bits
)

// Prepare does what must be done before Caddy loads the configuration of `run` and `start`: Caddy opens its admin
// socket before it provisions any app, so the directories must be there; and it shares ports with whoever else shares
// them, so a second gateway would split the first one's traffic instead of failing. For every other command it does
// nothing. A configuration it cannot read it leaves to Caddy, which says what is wrong with it.
func Prepare(args []string) error {
	if len(args) < 2 || (args[1] != "run" && args[1] != "start") {
		return nil
	}
	flags := pflag.NewFlagSet(args[1], pflag.ContinueOnError)
	flags.ParseErrorsAllowlist.UnknownFlags = true
	flags.Usage = func() {}
	path := flags.StringP("config", "c", "Caddyfile", "")
	adapter := flags.StringP("adapter", "a", "", "")
	envFiles := flags.StringSlice("envfile", nil, "")
	if err := flags.Parse(args[2:]); err != nil {
		return nil //nolint:nilerr // --help, or a mistake that the command itself reports
	}
	if len(*envFiles) > 0 {
		return errors.New("--envfile is not supported, because the data directory must be known before Caddy reads it; set the variables in the environment (systemd: EnvironmentFile=)")
	}
	config, err := adapt(*path, *adapter)
	if err != nil {
		return nil //nolint:nilerr // Caddy reports it, with the line
	}
	app := &App{}
	if raw := config.Apps[appName]; raw != nil {
		if err := caddy.StrictUnmarshalJSON(raw, app); err != nil {
			return nil //nolint:nilerr // as above
		}
	}
	dir, err := filepath.Abs(orDefault(app.DataDir, defaultDataDir))
	if err != nil {
		return fmt.Errorf("option “data_dir”: %w", err)
	}
	if err := makeDirs(dir); err != nil {
		return err
	}
	site := config.loginSite()
	loginSite.Store(&site)
	address := config.adminListen()
	adminAddress.Store(&address)
	if err := checkAdmin(address); err != nil {
		return err
	}
	return checkPorts(config)
}

func makeDirs(dir string) error {
	fresh := isFresh(dir)
	if err := os.MkdirAll(filepath.Join(dir, "run"), dataDirMode); err != nil {
		return fmt.Errorf("making the data directory: %w; set data_dir (CDXGATE_DATA_DIR) to a place this user may write to", err)
	}
	if fresh { // whatever the umask; otherwise it keeps what the operator gave it
		if err := os.Chmod(dir, dataDirMode); err != nil {
			return fmt.Errorf("making the data directory: %w", err)
		}
	}
	if err := os.Chmod(filepath.Join(dir, "run"), runDirMode); err != nil {
		return fmt.Errorf("making the data directory: %w", err)
	}
	// Without these Caddy writes beside the current directory when there is no HOME.
	for _, variable := range []string{"XDG_DATA_HOME", "XDG_CONFIG_HOME"} {
		if os.Getenv(variable) == "" {
			if err := os.Setenv(variable, dir); err != nil {
				return fmt.Errorf("setting %s: %w", variable, err)
			}
		}
	}
	return nil
}

// isFresh reports whether a data directory is not there, or only because Caddy keeps its files under it: those
// `validate` makes, too, in directories that nobody else may enter.
func isFresh(dir string) bool {
	entries, err := os.ReadDir(dir)
	return errors.Is(err, os.ErrNotExist) || (err == nil && len(entries) == 1 && entries[0].Name() == "caddy")
}

func checkAdmin(address string) error {
	parsed, err := caddy.ParseNetworkAddress(address)
	if address == "" || err != nil {
		return nil //nolint:nilerr // Caddy reports it
	}
	if parsed.IsUnixNetwork() && len(parsed.Host) > maxSocketPath {
		return fmt.Errorf("the path of the admin socket is %d bytes long and a socket's may be %d: shorten CDXGATE_DATA_DIR (%s)",
			len(parsed.Host), maxSocketPath, parsed.Host)
	}
	if listens(address) {
		return fmt.Errorf("a gateway is running already (its admin endpoint is %s); stop it, or reload it with: cdxgate reload", address)
	}
	return nil
}

// checkPorts tries every address that the sites listen on.
func checkPorts(config *config) error {
	var app struct {
		Servers map[string]struct {
			Listen []string `json:"listen"`
		} `json:"servers"`
	}
	if raw := config.Apps["http"]; raw != nil {
		if err := json.Unmarshal(raw, &app); err != nil {
			return nil //nolint:nilerr // Caddy reports it
		}
	}
	var addresses []string
	for _, server := range app.Servers {
		addresses = append(addresses, server.Listen...)
	}
	slices.Sort(addresses)
	for _, address := range addresses {
		parsed, err := caddy.ParseNetworkAddress(address)
		if err != nil || !strings.HasPrefix(parsed.Network, "tcp") {
			continue
		}
		for _, single := range parsed.Expand() {
			if err := checkPort(single.Network, single.JoinHostPort(0)); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkPort(network, address string) error {
	listener, err := net.Listen(network, address) //nolint:noctx // closed on the next line
	switch {
	case err == nil:
		return listener.Close()
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%s is in use by another program; stop it, or give the site another port in the Caddyfile (shipped one: CDXGATE_SITE, CDXGATE_ADMIN_SITE, CDXGATE_LOCAL_SITE, CDXGATE_METRICS_SITE)", address)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%s may not be used by this user; choose a port from 1024 on, or grant the binary the right: setcap cap_net_bind_service=+ep", address)
	}
	return nil // Caddy tries again and reports whatever it meets
}
