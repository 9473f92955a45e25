package admin

import (
	"context"
	"errors"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/policy"
	"github.com/cdxgate/cdxgate/internal/release"
)

// versions is the versions block for admins. What a wrapper's digest is depends on the host that it is made for.
func (s *Surface) versions(ctx context.Context, decided *policy.State) (api.Versions, error) {
	newest, err := s.cfg.Codex.Known(ctx)
	if err != nil {
		return api.Versions{}, err
	}
	return s.versionsWith(decided, newest), nil
}

func (s *Surface) versionsWith(decided *policy.State, newest release.Known) api.Versions {
	versions := decided.Versions()
	newest.Fill(&versions)
	versions.WrapperVersion, versions.WrapperURL, versions.InstallationID = &s.cfg.Version, new(api.PathWrapperFile), &s.cfg.InstallID
	return versions
}

// checkVersions serves POST /admin/versions/check: it looks for the newest Codex while the caller waits, which is a few
// seconds at most. That nothing could be found out is no refusal.
func (s *Surface) checkVersions(r *call.Request, by audit.Actor) (any, error) {
	newest, err := s.cfg.Codex.Check(r.Context(), by)
	if err != nil {
		return nil, err
	}
	decided, err := s.cfg.Policy.Read(r.Context())
	if err != nil {
		return nil, err
	}
	return api.AdminVersionsCheck{
		AvailableClient: api.AvailableClient{
			Version: textOrNull(newest.Version), UpdatedAt: api.Time{Time: newest.CheckedAt}, Source: newest.Source, Reason: textOrNull(newest.Reason),
		},
		Versions: s.versionsWith(decided, newest),
	}, nil
}

// decideVersion serves POST /admin/codex-version. Who decides for the newest Codex wants to know which that is now.
func (s *Surface) decideVersion(r *call.Request, by audit.Actor) (any, error) {
	answer, err := s.decide(codexVersion)(r, by)
	if err != nil {
		return nil, err
	}
	if tagged, is := answer.(call.Tagged); is && tagged.Data == (api.LockedVersion{}) {
		// It is decided all the same; why GitHub did not say is kept where the newest version is.
		if _, err := s.cfg.Codex.Look(r.Context()); err != nil && !errors.Is(err, release.ErrLook) {
			s.cfg.Logger.Error("the newest Codex cannot be looked for", "error", err)
		}
	}
	return answer, nil
}
