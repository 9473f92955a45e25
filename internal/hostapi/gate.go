package hostapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/internal/policy"
	"github.com/cdxgate/cdxgate/internal/ratelimit"
)

// ErrDisabled is the kill switch. Old clients look for the word “disabled” in the message.
var ErrDisabled = errs.New(errs.Unavailable, "api_disabled", "API disabled by administrator").Later(time.Minute)

type (
	policyKey struct{} // :: *policy.State
	hostKey   struct{} // :: admitted, by a handler before us
	foundKey  struct{} // :: found
)

// admitted is a host that was let in, and the key it came with.
type admitted struct {
	host *db.Host
	key  string
}

// found is whose key a request presents; nobody has decided yet whether that host may come.
type found struct {
	host *db.Host
	err  error // fleet.ErrKeyMissing or ErrKeyInvalid when host is nil
}

// gate is what every call for hosts has to pass before its route is looked at: the kill switch, then the limit. Fleets
// sit behind one address, so who shows a valid key where its host may come from is counted as that host, everybody else
// as an address.
func (s *Surface) gate(r *call.Request, rules call.Rules) error {
	if rules == call.Exempt {
		return nil
	}
	decided, err := s.cfg.Policy.Read(r.Context())
	if err != nil {
		return err
	}
	if decided.APIDisabled {
		return ErrDisabled
	}
	ctx := context.WithValue(r.Context(), policyKey{}, decided)
	r.Request = r.WithContext(ctx)
	if _, already := ctx.Value(hostKey{}).(admitted); already || rules == call.Uncounted {
		return nil
	}
	f, err := s.find(r.Request)
	if err != nil {
		return err
	}
	r.Request = r.WithContext(context.WithValue(ctx, foundKey{}, f))
	var hostID int64
	if f.host != nil && s.cfg.Fleet.MayComeFrom(f.host, r.From) {
		hostID = f.host.ID
	}
	return s.cfg.Limits.Request(ctx, hostID, r.From)
}

// policyOf is the policy that a call passed the gate under.
func policyOf(r *call.Request) *policy.State {
	if decided, ok := r.Context().Value(policyKey{}).(*policy.State); ok {
		return decided
	}
	return &policy.State{Policy: policy.Default()}
}

func (s *Surface) find(r *http.Request) (found, error) {
	host, err := s.cfg.Fleet.Find(r.Context(), presentedKey(r))
	if errors.Is(err, fleet.ErrKeyMissing) || errors.Is(err, fleet.ErrKeyInvalid) {
		return found{err: err}, nil
	}
	return found{host: host}, err
}

// authenticate decides whose call r is and whether that host may come from here, unless that was decided before.
func (s *Surface) authenticate(r *http.Request, from netip.Addr) (*db.Host, error) {
	if already, ok := r.Context().Value(hostKey{}).(admitted); ok {
		return already.host, nil
	}
	host, err := s.identify(r, from)
	if err != nil {
		return nil, err
	}
	entered, err := s.cfg.Fleet.Admit(r.Context(), host, from)
	return entered, s.refused(r, host, from, err)
}

// refusalWindow is for how long a key's refusals at one address are one entry of the audit trail.
const refusalWindow = 10 * time.Minute

// refused leaves a trace of a good key that was not good enough: it may be stolen. It returns err, with the host's name for
// the log.
func (s *Surface) refused(r *http.Request, host *db.Host, from netip.Addr, err error) error {
	refusal := errs.Of(err)
	if refusal == nil || refusal.Kind != errs.Forbidden {
		return err
	}
	subject := strconv.FormatInt(host.ID, 10) + " " + ratelimit.Subject(from)
	first, traceErr := s.cfg.Limits.First(r.Context(), "refused", subject, refusalWindow)
	if first {
		traceErr = s.cfg.Fleet.RecordRefusal(r.Context(), host, from, refusal.Code)
	}
	if traceErr != nil { // no reason to answer anything but the refusal
		s.cfg.Logger.Error("a refusal cannot be recorded", "error", traceErr)
	}
	return refusal.WithCause(fmt.Errorf("the key %s… of %s", host.KeyPrefix, host.FQDN))
}

// identify finds out whose key r shows. An address that failed too often is refused whatever key it comes with, or
// guessing would go on.
func (s *Surface) identify(r *http.Request, from netip.Addr) (*db.Host, error) {
	if already, ok := r.Context().Value(hostKey{}).(admitted); ok {
		return already.host, nil
	}
	if err := s.cfg.Limits.Blocked(r.Context(), ratelimit.AuthFail, from); err != nil {
		return nil, err
	}
	f, known := r.Context().Value(foundKey{}).(found)
	if !known {
		var err error
		if f, err = s.find(r); err != nil {
			return nil, err
		}
	}
	if f.host == nil {
		return nil, s.cfg.Limits.Failure(r.Context(), ratelimit.AuthFail, from, errs.Of(f.err))
	}
	return f.host, nil
}

// Guard lets hosts through to handlers that are not ours, with the checks that calls of ours pass: kill switch, limits,
// key, address, window. It returns the host and the name of its account.
func (s *Surface) Guard(r *http.Request, from netip.Addr) (host *db.Host, account string, err error) {
	if err := call.Settled(r); err != nil {
		return nil, "", err
	}
	ctx, cancel := call.Bound(r.Context())
	defer cancel()
	guarded := &call.Request{Request: r.WithContext(ctx), From: from}
	if err := s.gate(guarded, call.Ordinary); err != nil {
		return nil, "", err
	}
	if host, err = s.authenticate(guarded.Request, from); err != nil {
		return nil, "", err
	}
	if !s.cfg.Fleet.WindowOpen(host) {
		return nil, "", fleet.ErrWindowClosed
	}
	account, err = s.cfg.Fleet.AccountName(ctx, host)
	return host, account, err
}

// WithHost tells the calls that r becomes that Guard let a host through.
func WithHost(r *http.Request, host *db.Host) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), hostKey{}, admitted{host, presentedKey(r)}))
}

// keyOf is the API key that a call came with, if it is one.
func keyOf(r *http.Request) (key fleet.APIKey, ok bool) {
	if already, ok := r.Context().Value(hostKey{}).(admitted); ok {
		return fleet.ParseKey(already.key)
	}
	return fleet.ParseKey(presentedKey(r))
}

// presentedKey is X-API-Key if there is one, else the bearer token.
func presentedKey(r *http.Request) string {
	if key := r.Header.Get(api.HeaderAPIKey); key != "" && key != "0" {
		return key
	}
	return BearerToken(r)
}

// BearerToken is the token of r's Authorization header; "" when it holds none.
func BearerToken(r *http.Request) string {
	token, isBearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !isBearer {
		return ""
	}
	return token
}
