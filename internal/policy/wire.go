package policy

import "github.com/cdxgate/cdxgate/internal/api"

// Versions is the versions block of nobody in particular, as far as admins have decided it. What the gateway does not track
// yet is null.
func (s *State) Versions() api.Versions {
	versions := api.Versions{
		ClientVersionSource: "unknown", QuotaHardFail: s.QuotaHardFail, QuotaLimitPercent: s.QuotaLimitPercent,
		QuotaWeekPartition: s.QuotaWeekPartition, CdxSilent: s.CdxSilent,
	}
	if s.ClientVersion != "" {
		versions.ClientVersion, versions.ClientVersionSource = &s.ClientVersion, "locked"
		versions.ClientVersionCheckedAt = api.Time{Time: s.DecidedAt["client_version"]}
	}
	return versions
}
