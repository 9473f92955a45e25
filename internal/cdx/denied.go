package cdx

import (
	"errors"
	"net/http"
	"strings"
)

// standing is what a failed exchange means for this run.
type standing string

const (
	standsDenied   standing = "denied"   // the gateway says no: Codex does not start
	standsOffline  standing = "offline"  // the gateway has no say now: the login on disk decides
	standsLimited  standing = "limited"  // as offline, but it will have one in a moment
	standsRejected standing = "rejected" // a login that was sent up is not good enough
)

// classify decides what a failure means: by machine code, then by status, then by the text of gateways without codes.
func (f *failure) classify() standing {
	switch {
	case f.untrusted():
		// Whoever answers here is not the gateway: going on would mean trusting the network.
		return standsDenied
	case f.err != nil && f.status != http.StatusUnauthorized && f.status != http.StatusForbidden:
		return standsOffline
	case f.is("api_disabled", ""), f.status == http.StatusServiceUnavailable && f.is("api_disabled", "disabled"):
		return standsDenied
	case f.status == http.StatusUnauthorized, f.status == http.StatusForbidden:
		return standsDenied
	case f.status == http.StatusTooManyRequests:
		return standsLimited
	case f.status == http.StatusUnprocessableEntity:
		return standsRejected
	default:
		return standsOffline
	}
}

// denial words a refusal of the gateway: what it is, why, and what the user can do.
func (c *client) denial(f *failure) *refusal {
	r := &refusal{exit: ExitDenied, label: "denied", next: notStarted(ExitDenied)}
	reinstall := "ask an admin for a new install command: cdxgate host add " + c.config.FQDN + "\n"
	switch {
	case f.untrusted():
		r.what = "the certificate of " + c.host() + " cannot be verified"
		r.cause = f.err.Error()
		r.next = "check this machine's clock and network, then ask an admin\n" + r.next
	case f.is("api_disabled", "api disabled"):
		r.what, r.short = "the gateway refuses all host calls (kill switch)", "host calls are refused"
		r.cause = field(f.message)
	case f.is("ip_mismatch", "not allowed from this ip"):
		r.what = "this machine's API key may not be used from here; it is bound to another address or to networks"
		var facts []string
		if f.receivedIP != "" {
			facts = append(facts, "the gateway sees "+field(f.receivedIP))
		}
		if f.expectedIP != "" {
			facts = append(facts, "the key is bound to "+field(f.expectedIP))
		}
		r.cause = strings.Join(facts, ", ")
		r.next = "ask an admin: cdxgate host set " + c.config.FQDN + " --unbind, or --allow-from NETWORK\n" + r.next
	case f.is("host_disabled", "host is disabled"):
		r.what = "an admin has disabled this machine"
		r.next = "ask an admin: cdxgate host set " + c.config.FQDN + " --enabled\n" + r.next
	case f.is("insecure_api_disabled", "insecure host api access disabled"):
		r.what, r.opens = "the window of this machine is closed", true
		r.next = "ask an admin: cdxgate host open " + c.config.FQDN + "\n" + r.next
	case f.is("installation_mismatch", "installation id mismatch"):
		r.what = "another gateway answers at " + c.host() + " than this machine enrolled with"
		r.next = reinstall + r.next
	case f.status == http.StatusUnauthorized:
		r.what = "the gateway does not know this machine's API key"
		r.next = reinstall + r.next
	default:
		r.what = "the gateway refuses this machine"
		r.cause = field(f.Error())
	}
	return r
}

// asFailure returns err as a failure of an exchange, nil if it is none.
func asFailure(err error) *failure {
	f, _ := errors.AsType[*failure](err)
	return f
}
