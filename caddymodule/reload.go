package caddymodule

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
)

// adminAddress is where this process's admin endpoint listens, as Prepare read it from the configuration it was started with.
var adminAddress atomic.Pointer[string]

// reloadItself makes this process read the admin authority again: TLS keeps the pool it was configured with.
func reloadItself(logger *slog.Logger) {
	address := adminAddress.Load()
	if address == nil || *address == "" {
		logger.Warn("the admin authority has changed; reload the configuration with --force so that its certificates are accepted")
		return
	}
	if err := forceReload(*address); err != nil {
		logger.Error("reloading for the changed admin authority failed; run cdxgate reload --force", "error", err)
	}
}

// forceReload makes the gateway whose admin endpoint is at address load its running configuration once more. A plain
// reload of an unchanged configuration would do nothing.
func forceReload(address string) error {
	response, err := caddycmd.AdminAPIRequest(address, http.MethodGet, "/config/", nil, nil)
	if err != nil {
		return fmt.Errorf("asking the running gateway for its configuration: %w", err)
	}
	running, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil {
		return fmt.Errorf("reading the running configuration: %w", err)
	}
	header := http.Header{"Cache-Control": {"must-revalidate"}}
	response, err = caddycmd.AdminAPIRequest(address, http.MethodPost, "/load", header, bytes.NewReader(running))
	if err != nil {
		return fmt.Errorf("reloading the running gateway: %w", err)
	}
	return response.Body.Close()
}
