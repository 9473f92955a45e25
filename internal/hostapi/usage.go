package hostapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/usage"
)

// usage serves POST /usage. A report that is no good is a success that says so: old clients repeat what fails, and this
// would fail again. A fault of ours stays one, so that the report comes again.
func (s *Surface) usage(_ http.ResponseWriter, r *call.Request) (any, error) {
	host, err := s.authenticate(r.Request, r.From)
	if err != nil {
		return nil, err
	}
	entries, err := usage.Read(r.Body)
	if err != nil {
		return usageRefused(err)
	}
	answer, err := s.cfg.Usage.Record(r.Context(), host, usage.Report{
		Entries: entries, Key: strings.TrimSpace(r.Header.Get(api.HeaderIdempotencyKey)), From: r.From,
	})
	if err != nil {
		return usageRefused(err)
	}
	if len(answer.Usages) == 1 {
		return api.UsageSingle{UsageResponse: *answer, UsageFacts: answer.Usages[0].UsageFacts}, nil
	}
	return answer, nil
}

func usageRefused(err error) (any, error) {
	if invalid, ok := errors.AsType[usage.Invalid](err); ok {
		return api.UsageRefused{Reason: "usage ingestion failed", Errors: invalid}, nil
	}
	return nil, err
}

// users serves POST /host/users: who runs cdx on a host.
func (s *Surface) users(_ http.ResponseWriter, r *call.Request) (any, error) {
	host, err := s.authenticate(r.Request, r.From)
	if err != nil {
		return nil, err
	}
	members := map[string]json.RawMessage{}
	_ = json.Unmarshal(r.Body, &members) // no object: an empty one
	users, err := s.cfg.Fleet.SeeUser(r.Context(), host, r.From, asText(members["username"]), asText(members["hostname"]))
	if err != nil {
		return nil, err
	}
	return api.HostUsers{Users: wireUsers(users)}, nil
}

func wireUsers(users []db.HostUser) []api.HostUser {
	all := make([]api.HostUser, 0, len(users))
	for _, user := range users {
		all = append(all, api.HostUser{
			Username: user.Username, Hostname: user.Hostname,
			FirstSeen: api.Time{Time: user.FirstSeenAt}, LastSeen: api.Time{Time: user.LastSeenAt},
		})
	}
	return all
}

// asText reads a name that a client wrote as a string, a number or a boolean; anything else counts as absent.
func asText(raw json.RawMessage) string {
	var value any
	decoder := json.NewDecoder(strings.NewReader(string(raw)))
	decoder.UseNumber()
	if decoder.Decode(&value) != nil {
		return ""
	}
	switch value := value.(type) {
	case string:
		return value
	case json.Number:
		return value.String()
	case bool:
		return strconv.FormatBool(value)
	}
	return ""
}

// userAmong is a name that the host is known to have a user of; "": it was not to be listed, or could not be.
func userAmong(users []db.HostUser, name string) string {
	name = strings.TrimSpace(name)
	if slices.ContainsFunc(users, func(u db.HostUser) bool { return u.Username == name }) {
		return name
	}
	return ""
}
