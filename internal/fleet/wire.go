package fleet

import (
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/publictls"
)

// Wire is a host as hosts and admins see it.
func Wire(h *db.Host) api.Host {
	return api.Host{
		FQDN: h.FQDN, Status: h.Status, LastRefresh: h.LastRefresh, UpdatedAt: api.Time{Time: h.UpdatedAt},
		ExpiresAt: wireTime(h.ExpiresAt), ClientVersion: h.ClientVersion, WrapperVersion: h.WrapperVersion,
		APICalls: h.APICalls, AllowRoamingIPs: h.Roaming, Secure: h.Secure, VIP: h.VIP,
		ClientVersionOverride: h.ClientVersionPin, InsecureWindowMinutes: windowOf(h),
		InsecureEnabledUntil: wireTime(h.InsecureUntil), InsecureGraceUntil: wireTime(h.GraceUntil),
		ForceIPv4: h.ForceIPv4, ModelOverride: h.ModelOverride, ReasoningEffortOverride: h.ReasoningEffortOverride,
	}
}

// WireEnrolment is the answer to a registration, for a machine that needs the given trust.
func WireEnrolment(e *Enrolment, trust publictls.Trust) *api.RegisterResponse {
	return &api.RegisterResponse{
		Host: api.RegisteredHost{Host: Wire(&e.Host), APIKey: e.Key.Reveal(), ID: e.Host.ID},
		Installer: api.Installer{
			Token: e.Token.Reveal(), URL: e.URL, Command: e.Command(trust), CA: trust.CA, ExpiresAt: api.Time{Time: e.ExpiresAt},
		},
	}
}

// Command is the line that makes a machine the host, for one that needs the given trust.
func (e *Enrolment) Command(trust publictls.Trust) string {
	if e.Host.ForceIPv4 {
		return trust.Command(e.URL, "-4")
	}
	return trust.Command(e.URL)
}

func windowOf(h *db.Host) *int {
	if h.WindowMinutes == nil {
		return nil
	}
	return new(int(*h.WindowMinutes))
}

func wireTime(t *time.Time) api.Time {
	if t == nil {
		return api.Time{}
	}
	return api.Time{Time: *t}
}
