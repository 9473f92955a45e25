package hostapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/credential"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/ratelimit"
	"github.com/cdxgate/cdxgate/internal/token"
)

// seeder serves the script of a seed token, or one that says why there is none. As the installer's, it is always 200,
// and looking changes nothing.
func (s *Surface) seeder(w http.ResponseWriter, r *call.Request) (any, error) {
	var state credential.SeedState
	seed, err := s.lookUp(r, ratelimit.SeedFail, credential.ErrSeedUnknown, func(ctx context.Context, t token.Token) (name string, err error) {
		state, err = s.cfg.Credentials.LookUpSeed(ctx, t)
		return state.State, err
	})
	if limited(err) {
		state.State = api.InstallLimited
	} else if err != nil {
		return nil, err
	}
	text := seedScript(s.cfg.PublicURL, seed.Reveal(), transport{CA: s.cfg.PublicCA()})
	if state.State != api.InstallReady {
		text = refusalScript(state.State, explainSeed(state), "Ask an admin for a new one: cdxgate auth seed-command")
	}
	w.Header().Set(api.HeaderSeedStatus, state.State)
	if !state.ExpiresAt.IsZero() {
		w.Header().Set(api.HeaderSeedExpiry, state.ExpiresAt.UTC().Format(api.TimeFormat))
	}
	writeScript(w, text)
	return nil, nil
}

func explainSeed(state credential.SeedState) string {
	switch state.State {
	case api.InstallUsed:
		return "this seed command " + usedWhen(state.UsedAt, state.UsedFrom)
	case api.InstallExpired:
		return "this seed command expired on " + state.ExpiresAt.UTC().Format(minuteFormat)
	case api.SeedWornOut:
		return "too many files that are no login were uploaded with this seed command"
	case api.InstallLimited:
		return "too many seed commands that do not work came from this address; try again in half an hour"
	}
	return "this seed command is not known here; was the whole line copied?"
}

// seed takes a login under a seed token. Whoever holds the token may bring, but gets nothing: not even what he brought.
func (s *Surface) seed(_ http.ResponseWriter, r *call.Request) (any, error) {
	if err := s.cfg.Limits.Blocked(r.Context(), ratelimit.SeedFail, r.From); err != nil {
		return nil, err
	}
	t, ok := token.Parse(r.Param)
	if !ok {
		return nil, s.cfg.Limits.Failure(r.Context(), ratelimit.SeedFail, r.From, call.ErrNoRoute)
	}
	outcome, err := s.cfg.Credentials.Plant(r.Context(), t, r.Body, r.From)
	if err != nil {
		return nil, s.countDeadToken(r, ratelimit.SeedFail, err)
	}
	return api.SeedResponse{
		Status: string(outcome.Verdict), Generation: outcome.Current.Number,
		CanonicalLastRefresh: outcome.Current.LastRefresh, CanonicalDigest: outcome.Current.Digest.String(),
	}, nil
}

// lookUp finds out what the token in a path is good for, and counts one that is good for nothing against the caller's
// address, as what dead says. find names the token's state.
//
// Errors: call.ErrNoRoute for what is no token; ratelimit.ErrFailures.
func (s *Surface) lookUp(
	r *call.Request, bucket ratelimit.Bucket, dead *errs.Error, find func(context.Context, token.Token) (state string, err error),
) (token.Token, error) {
	if err := s.cfg.Limits.Blocked(r.Context(), bucket, r.From); err != nil {
		return token.Token{}, err
	}
	t, ok := token.Parse(r.Param)
	if !ok {
		return t, s.cfg.Limits.Failure(r.Context(), bucket, r.From, call.ErrNoRoute)
	}
	state, err := find(r.Context(), t)
	if err == nil && state != api.InstallReady {
		// Who looks at a dead token gets a script that says so: the refusal itself is only counted.
		if err := s.cfg.Limits.Failure(r.Context(), bucket, r.From, dead); !errors.Is(err, dead) {
			return t, err
		}
	}
	return t, err
}

// countDeadToken counts a call that failed for its token against the caller's address.
func (s *Surface) countDeadToken(r *call.Request, bucket ratelimit.Bucket, err error) error {
	refusal := errs.Of(err)
	if refusal.Kind != errs.NotFound && refusal.Kind != errs.Gone {
		return err
	}
	return s.cfg.Limits.Failure(r.Context(), bucket, r.From, refusal)
}

func limited(err error) bool { return errors.Is(err, ratelimit.ErrFailures) }

const minuteFormat = "2 Jan 15:04 UTC"

func usedWhen(at time.Time, from netip.Addr) string {
	text := "was used on " + at.UTC().Format(minuteFormat)
	if from.IsValid() {
		text += " from " + from.String()
	}
	return text
}

func writeScript(w http.ResponseWriter, text []byte) {
	header := w.Header()
	header["Content-Type"] = []string{"text/x-shellscript; charset=utf-8"}
	header["Cache-Control"] = []string{"no-store, must-revalidate"}
	header["X-Content-Type-Options"] = []string{"nosniff"}
	header.Set("Content-Length", fmt.Sprint(len(text)))
	_, _ = w.Write(text) // the client is gone: nobody to tell
}
