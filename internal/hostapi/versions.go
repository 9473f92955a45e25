package hostapi

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/release"
)

const pingTimeout = 2 * time.Second

var errNotReady = errs.New(errs.Unavailable, "database_unavailable", "The gateway cannot reach its database; try again later")

// versions answers what the fleet should run. Callers without a key do not learn which installation this is.
func (s *Surface) versions(_ http.ResponseWriter, r *call.Request) (any, error) {
	return s.fleetVersions(r)
}

// fleetVersions is the versions block of the fleet. It is answered from what is known: nobody waits for who knows more.
func (s *Surface) fleetVersions(r *call.Request) (api.Versions, error) {
	versions := policyOf(r).Versions()
	newest, err := s.cfg.Codex.Known(r.Context())
	if err != nil {
		return api.Versions{}, err
	}
	newest.Fill(&versions)
	return versions, nil
}

// hostVersions is the versions block of one host, whose own pin goes before the fleet's, and whose wrapper is its own.
func (s *Surface) hostVersions(r *call.Request, host *db.Host) (api.Versions, error) {
	versions, err := s.fleetVersions(r)
	if err != nil {
		return api.Versions{}, err
	}
	switch w, err := s.wrapperFor(r, host); {
	case err == nil:
		versions.WrapperVersion, versions.WrapperSHA256, versions.WrapperURL = &s.cfg.Version, &w.sha256, new(api.PathWrapperFile)
	case errs.Of(err).Kind == errs.Internal: // no reason to keep a host from its login
		s.cfg.Logger.Error("the wrapper cannot be made", "error", err)
	}
	versions.InstallationID = &s.cfg.InstallationID
	if host.ClientVersionPin != nil {
		versions.ClientVersion, versions.ClientVersionSource, versions.ClientVersionCheckedAt = host.ClientVersionPin, release.SourceLocked, api.Time{}
	}
	return versions, nil
}

// Live says that the process runs. It asks nothing of the database and is answered from the first moment on.
func Live(http.ResponseWriter, *call.Request) (any, error) {
	return map[string]string{"live": "yes"}, nil
}

// ready says whether the gateway can serve. ?verbose also tells what an operator should know without being stopped by it.
func (s *Surface) ready(_ http.ResponseWriter, r *call.Request) (any, error) {
	ctx, cancel := context.WithTimeout(r.Context(), pingTimeout)
	defer cancel()
	if err := s.cfg.Ping(ctx); err != nil {
		return nil, errNotReady.WithCause(fmt.Errorf("asking the database: %w", err))
	}
	answer := map[string]any{"ready": "yes"}
	if r.URL.Query().Has("verbose") {
		answer["version"] = s.cfg.Version
		answer["database"] = "ok"
		answer["clients_missing"] = s.cfg.Clients.Missing()
	}
	return answer, nil
}
