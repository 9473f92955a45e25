package caddymodule

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/cdxgate/cdxgate/internal/gateway"
	"github.com/cdxgate/cdxgate/internal/pgembed"
)

// cores keeps open gateways across reloads, by what makes them different gateways: data directory, database, keyring.
var cores = caddy.NewUsagePool()

// postgreses keeps embedded PostgreSQLs across reloads, by data directory alone: a gateway that is configured anew
// stands on the one that runs.
var postgreses = caddy.NewUsagePool()

// Bounds on how long a gateway that nobody wants any more waits for the requests in flight.
const (
	drainOnReload = 30 * time.Second
	drainOnExit   = time.Second // Caddy has waited its grace period already
	closeTimeout  = 20 * time.Second
)

// pooledCore is a gateway that opens on demand, once, and closes when the last configuration has let go of it and the
// last request has been answered: on a reload, Caddy cleans up the old configuration while its requests still run.
type pooledCore struct {
	key string

	opening  sync.Mutex // held while opening; a waiter finds the result
	core     *gateway.Core
	postgres *pooledPostgres // nil: the database is not ours to run

	mu       sync.Mutex
	inFlight int
	idle     chan struct{} // not nil: somebody waits for inFlight to reach 0
}

// claimCore returns the gateway for a configuration, made or shared. It does nothing else yet.
func claimCore(cfg gateway.Config) (*pooledCore, error) {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %d", cfg.DataDir, cfg.DatabaseURL, cfg.KeyringFile, cfg.MaxConns))
	key := hex.EncodeToString(sum[:]) // the pool prints its keys, and a URL may hold a password
	value, _, err := cores.LoadOrNew(key, func() (caddy.Destructor, error) { return &pooledCore{key: key}, nil })
	if err != nil {
		return nil, err
	}
	return value.(*pooledCore), nil
}

func (p *pooledCore) release() error {
	_, err := cores.Delete(p.key)
	return err
}

// open opens the gateway unless it is open, and points it at the newest configuration's logger.
func (p *pooledCore) open(ctx context.Context, cfg gateway.Config) (*gateway.Core, error) {
	p.opening.Lock()
	defer p.opening.Unlock()
	if p.core != nil {
		if p.postgres != nil {
			p.postgres.adjust(cfg)
		}
		return p.core, nil
	}
	if cfg.DatabaseURL == "" {
		postgres, err := claimPostgres(cfg.DataDir)
		if err != nil {
			return nil, err
		}
		p.postgres = postgres
		if cfg.Postgres, err = postgres.start(ctx, cfg); err != nil {
			return nil, errors.Join(err, p.releasePostgres())
		}
	}
	core, err := gateway.Open(ctx, cfg, gateway.Server)
	if err != nil {
		return nil, errors.Join(err, p.releasePostgres())
	}
	p.core = core
	return core, nil
}

func (p *pooledCore) releasePostgres() error {
	if p.postgres == nil {
		return nil
	}
	err := p.postgres.release()
	p.postgres = nil
	return err
}

// enter counts a request in; the caller must call the function it returns when the request is answered.
func (p *pooledCore) enter() (leave func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inFlight++
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.inFlight--
		if p.inFlight == 0 && p.idle != nil {
			close(p.idle)
			p.idle = nil
		}
	}
}

// Destruct implements caddy.Destructor. While the process exits it must not return early: nothing after it waits.
func (p *pooledCore) Destruct() error {
	if caddy.Exiting() {
		return p.close(drainOnExit)
	}
	go func() { _ = p.close(drainOnReload) }()
	return nil
}

func (p *pooledCore) close(drain time.Duration) error {
	p.mu.Lock()
	var idle chan struct{}
	if p.inFlight > 0 {
		idle = make(chan struct{})
		p.idle = idle
	}
	p.mu.Unlock()
	if idle != nil {
		select {
		case <-idle:
		case <-time.After(drain):
		}
	}
	p.opening.Lock()
	defer p.opening.Unlock()
	if p.core == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return errors.Join(p.core.Close(ctx), p.releasePostgres())
}

// pooledPostgres is an embedded PostgreSQL that starts on demand, once, and stops when the last core on it has closed.
type pooledPostgres struct {
	dir string

	starting sync.Mutex // held while starting; a waiter finds the result
	server   *pgembed.Server
	binaries string // as configured when it started
}

func claimPostgres(dir string) (*pooledPostgres, error) {
	value, _, err := postgreses.LoadOrNew(dir, func() (caddy.Destructor, error) { return &pooledPostgres{dir: dir}, nil })
	if err != nil {
		return nil, err
	}
	return value.(*pooledPostgres), nil
}

func (p *pooledPostgres) release() error {
	_, err := postgreses.Delete(p.dir)
	return err
}

func (p *pooledPostgres) start(ctx context.Context, cfg gateway.Config) (*pgembed.Server, error) {
	p.starting.Lock()
	defer p.starting.Unlock()
	if p.server != nil {
		p.adjust(cfg)
		return p.server, nil
	}
	server, err := gateway.StartPostgres(ctx, cfg)
	if err != nil {
		return nil, err
	}
	p.server, p.binaries = server, cfg.Binaries
	return server, nil
}

// adjust gives a running PostgreSQL what it can take of a newer configuration.
func (p *pooledPostgres) adjust(cfg gateway.Config) {
	p.server.SetLogger(cfg.Logger)
	if p.binaries != cfg.Binaries {
		cfg.Logger.Warn("the option “postgres_binaries” has changed; it takes effect when the gateway is started again")
	}
}

// Destruct implements caddy.Destructor.
func (p *pooledPostgres) Destruct() error {
	p.starting.Lock()
	defer p.starting.Unlock()
	if p.server == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := p.server.Close(ctx); err != nil {
		return fmt.Errorf("stopping the embedded PostgreSQL: %w", err)
	}
	return nil
}
