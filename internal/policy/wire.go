package policy

import "github.com/cdxgate/cdxgate/internal/api"

// Versions is the versions block of nobody in particular. What the gateway does not track yet is null.
func (p *Policy) Versions() api.Versions {
	versions := api.Versions{
		ClientVersionSource: "unknown", QuotaHardFail: p.QuotaHardFail, QuotaLimitPercent: p.QuotaLimitPercent,
		QuotaWeekPartition: p.QuotaWeekPartition, CdxSilent: p.CdxSilent,
	}
	if p.ClientVersion != "" {
		versions.ClientVersion, versions.ClientVersionSource = &p.ClientVersion, "locked"
	}
	return versions
}
