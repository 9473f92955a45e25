package hostapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/internal/ratelimit"
	"github.com/cdxgate/cdxgate/internal/release"
	"github.com/cdxgate/cdxgate/internal/token"
)

var (
	errNoClient  = errs.New(errs.NotFound, "client_not_found", "This gateway has no cdx for that platform")
	errNoMinisig = errs.New(errs.NotFound, "signature_not_found", "This build of cdx has no signature file")
)

// installer serves the script of an install token, or a script that says why there is none: always 200, because the
// printed command is curl -f, which would hide any other body. Looking changes nothing.
func (s *Surface) installer(w http.ResponseWriter, r *call.Request) (any, error) {
	var state fleet.TokenState
	install, err := s.lookUp(r, ratelimit.EnrolFail, fleet.ErrTokenUnknown, func(ctx context.Context, t token.Token) (name string, err error) {
		state, err = s.cfg.Fleet.LookUpToken(ctx, t)
		return state.State, err
	})
	if limited(err) {
		state.State = api.InstallLimited
	} else if err != nil {
		return nil, err
	}
	script, err := s.scriptFor(state, install)
	if err != nil {
		return nil, err
	}
	w.Header().Set(api.HeaderInstallerStatus, state.State)
	if !state.ExpiresAt.IsZero() {
		w.Header().Set(api.HeaderInstallerExpiry, state.ExpiresAt.UTC().Format(api.TimeFormat))
	}
	writeScript(w, script)
	return nil, nil
}

func (s *Surface) scriptFor(state fleet.TokenState, install token.Token) ([]byte, error) {
	if state.State != api.InstallReady {
		reason, next := explain(state)
		return refusalScript(state.State, reason, next), nil
	}
	builds, err := s.cfg.Clients.All()
	if err != nil {
		return nil, err
	}
	return installScript(installScriptParams{
		BaseURL: s.cfg.PublicURL, FQDN: state.FQDN, Token: install.Reveal(), Version: s.cfg.Version, Clients: shellClients(builds),
		Reach: transport{CA: s.cfg.PublicCA(), IPv4Only: state.ForceIPv4},
	}), nil
}

// shellClients is what scripts have to know of the builds.
func shellClients(builds []release.Client) map[string]shellClient {
	clients := map[string]shellClient{}
	for _, client := range builds {
		clients[client.Platform] = shellClient{SHA256: client.SHA256, SizeBytes: client.Size}
	}
	return clients
}

// explain words why an install command does not work, and what to do about it.
func explain(state fleet.TokenState) (reason, next string) {
	next = "It works once. Ask an admin for a new one: cdxgate host add " + state.FQDN
	switch {
	case state.State == api.InstallUsed:
		reason = "this install command " + usedWhen(state.UsedAt, state.UsedFrom)
	case state.State == api.InstallExpired && state.Replaced:
		reason = "this install command was replaced by a newer one"
		next = "Use the newer one, or ask an admin: cdxgate host add " + state.FQDN
	case state.State == api.InstallExpired:
		reason = "this install command expired on " + state.ExpiresAt.UTC().Format(minuteFormat)
		next = "Ask an admin for a new one: cdxgate host add " + state.FQDN
	case state.State == api.InstallLimited:
		reason = "too many install commands that do not work came from this address"
		next = "Try again in half an hour, or ask an admin: cdxgate limit clear ADDRESS"
	default:
		reason = "this install command is not known here"
		next = "Copy the whole line, or ask an admin for a new one: cdxgate host add NAME"
	}
	return reason, next
}

// enrol spends an install token and answers the host's configuration.
func (s *Surface) enrol(_ http.ResponseWriter, r *call.Request) (any, error) {
	if err := s.cfg.Limits.Blocked(r.Context(), ratelimit.EnrolFail, r.From); err != nil {
		return nil, err
	}
	install, ok := token.Parse(r.Param)
	if !ok {
		return nil, s.cfg.Limits.Failure(r.Context(), ratelimit.EnrolFail, r.From, call.ErrNoRoute)
	}
	var request api.EnrolRequest
	if err := r.Decode(&request); err != nil {
		return nil, err
	}
	host, key, err := s.cfg.Fleet.Claim(r.Context(), install, r.From)
	if err != nil {
		return nil, s.countDeadToken(r, ratelimit.EnrolFail, err)
	}
	config, err := s.signHostConfig(s.hostConfig(host))
	if err != nil {
		return nil, err
	}
	return api.EnrolResponse{
		BaseURL: s.cfg.PublicURL, APIKey: key.Reveal(), FQDN: host.FQDN,
		InstallationID: s.cfg.InstallationID, Secure: host.Secure,
		SigningKey: s.cfg.Signer.Key(), Config: config,
	}, nil
}

// client serves a build of cdx; as <name>.sha256, the digest of it; as <name>.minisig, the operator's signature of it.
// They are no secrets, so they need no key.
func (s *Surface) client(w http.ResponseWriter, r *call.Request) (any, error) {
	if name, is := strings.CutSuffix(r.Param, ".sha256"); is {
		client, err := s.cfg.Clients.Named(name)
		if err != nil {
			return nil, s.noClient(err)
		}
		writeText(w, client.SHA256+"\n")
		return nil, nil
	}
	if name, is := strings.CutSuffix(r.Param, ".minisig"); is {
		minisig, err := s.cfg.Clients.Minisig(name)
		if err != nil {
			return nil, s.noClient(err)
		}
		writeText(w, minisig)
		return nil, nil
	}
	return nil, s.serveClient(w, r, r.Param)
}

func writeText(w http.ResponseWriter, text string) {
	w.Header()["Content-Type"] = []string{"text/plain; charset=utf-8"}
	_, _ = io.WriteString(w, text) // the client is gone: nobody to tell
}

func (s *Surface) noClient(err error) error {
	switch {
	case errors.Is(err, release.ErrNoClient):
		return errNoClient.With("missing", s.cfg.Clients.Missing())
	case errors.Is(err, release.ErrNoMinisig):
		return errNoMinisig
	}
	return err
}

// Bounds on sending a build: who reads slower than this only holds what others could use.
const (
	sendTimeout   = 30 * time.Second
	minSendPerSec = 64 << 10 // bytes
)

func (s *Surface) serveClient(w http.ResponseWriter, r *call.Request, name string) error {
	file, client, err := s.cfg.Clients.Open(name)
	if err != nil {
		return s.noClient(err)
	}
	defer func() { _ = file.Close() }()
	leave, err := s.cfg.Downloads.Enter(r.From, client.Size)
	if err != nil {
		return err
	}
	defer leave()
	// A writer without deadlines, as in tests, is somebody else's to bound.
	control := http.NewResponseController(w)
	deadline := time.Now().Add(sendTimeout + time.Duration(client.Size/minSendPerSec)*time.Second)
	if control.SetWriteDeadline(deadline) == nil {
		defer func() { _ = control.SetWriteDeadline(time.Time{}) }()
	}
	header := w.Header()
	header["Cache-Control"] = []string{"no-cache"}
	header["Content-Type"] = []string{"application/octet-stream"}
	header.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", name))
	header.Set("Etag", `"`+client.SHA256+`"`)
	header.Set(api.HeaderSHA256, client.SHA256)
	http.ServeContent(w, r.Request, "", time.Time{}, file)
	return nil
}
