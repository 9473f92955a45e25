package admin

import (
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/library"
)

// slashVersions serves GET /admin/slash-commands/{filename}/versions: what a command has been, whether it is retired or not. One
// that is asked for by its number comes with its text.
func (s *Surface) slashVersions(r *call.Request, _ audit.Actor) (any, error) {
	name, err := filename(r)
	if err != nil {
		return nil, err
	}
	q := readQuery(r, "limit", "cursor", "direction", "version")
	limit, o, number := q.number("limit", maxPage, maxPage), q.order("versions of "+name, descending, rankNumbers), q.id("version")
	if q.err != nil {
		return nil, q.err
	}
	answer := api.AdminSlashVersions{Filename: name, Versions: []api.AdminSlashVersion{}}
	if number != 0 {
		v, err := s.cfg.Library.Version(r.Context(), name, number)
		if err != nil {
			return nil, err
		}
		answer.Versions = append(answer.Versions, api.AdminSlashVersion{
			Version: v.Number, SHA256: hex.EncodeToString(v.SHA256), Description: v.Description, ArgumentHint: v.ArgumentHint, Author: v.Author,
			CreatedAt: api.Time{Time: v.CreatedAt}, SizeBytes: len(v.Content), Prompt: &v.Content,
		})
		return answer, nil
	}
	versions, err := s.cfg.Library.Versions(r.Context(), name)
	if err != nil {
		return nil, err
	}
	for _, v := range versions {
		answer.Versions = append(answer.Versions, api.AdminSlashVersion{
			Version: v.Number, SHA256: hex.EncodeToString(v.SHA256), Description: v.Description, ArgumentHint: v.ArgumentHint, Author: v.Author,
			CreatedAt: api.Time{Time: v.CreatedAt}, SizeBytes: int(v.SizeBytes),
		})
	}
	answer.Versions, answer.NextCursor = part(answer.Versions, o, limit, func(v *api.AdminSlashVersion) rank { return rank{id: v.Version} })
	return answer, nil
}

// slashRestore serves POST /admin/slash-commands/{filename}/restore: an older version becomes the newest, if the command is still
// what the caller read.
func (s *Surface) slashRestore(r *call.Request, by audit.Actor) (any, error) {
	name, err := filename(r)
	if err != nil {
		return nil, err
	}
	var request struct {
		Version *int64 `json:"version"`
	}
	if err := r.Decode(&request); err != nil {
		return nil, err
	}
	if request.Version == nil || *request.Version < 1 {
		return nil, errs.Field("version", "version must be the number of a version")
	}
	outcome, current, err := s.cfg.Library.Restore(r.Context(), name, *request.Version, unchangedSlash(r), library.Author{Actor: by})
	if err != nil {
		return nil, staleSlash(err)
	}
	return storedSlash(outcome, current), nil
}

// Words for what became of a proposal; they are the library's, but for those that wait.
const (
	proposalPending   = "pending"
	proposalAccepted  = "accepted"
	proposalDiscarded = "discarded"
	proposalAll       = "all"
)

// slashProposals serves GET /admin/slash-command-proposals: what waits for an admin, the oldest first, unless he wants others.
func (s *Surface) slashProposals(r *call.Request, _ audit.Actor) (any, error) {
	q := readQuery(r, "limit", "cursor", "direction", "state", "host_id", "q")
	limit, o := q.number("limit", defaultPage, maxPage), q.order("slash-command-proposals", ascending, 1)
	query := library.ProposalQuery{HostID: q.id("host_id"), Search: q.text("q"), Descending: o.desc, Max: int(limit) + 1}
	switch state := q.word("state", proposalPending, proposalPending, proposalAccepted, proposalDiscarded, proposalAll); state {
	case proposalAll:
	case proposalPending:
		query.Decision = new("")
	default:
		query.Decision = &state
	}
	if q.err != nil {
		return nil, q.err
	}
	if o.after != nil {
		query.After = &o.after.Numbers[0]
	}
	rows, err := s.cfg.Library.ProposalPage(r.Context(), query)
	if err != nil {
		return nil, err
	}
	rows, next := pageOf(rows, limit, func(row *db.ProposalPageRow) *string { return o.cursor("", row.ID) })
	answer := api.AdminSlashProposals{Proposals: make([]api.AdminSlashProposal, 0, len(rows)), NextCursor: next}
	for _, row := range rows {
		answer.Proposals = append(answer.Proposals, api.AdminSlashProposal{
			ID: row.ID, State: decisionOf(row.Decision), Filename: row.Name, HostID: row.HostID, FQDN: row.FQDN, SHA256: hex.EncodeToString(row.SHA256),
			Description: row.Description, ArgumentHint: row.ArgumentHint, BaseVersion: row.BaseVersion, SizeBytes: int(row.SizeBytes),
			CreatedAt: api.Time{Time: row.CreatedAt}, DecidedAt: timeOrNull(row.DecidedAt), DecidedBy: row.DecidedBy,
		})
	}
	return answer, nil
}

func decisionOf(decision *string) string {
	if decision == nil {
		return proposalPending
	}
	return *decision
}

// slashProposal serves GET /admin/slash-command-proposals/{id}: one with its text.
func (s *Surface) slashProposal(r *call.Request, _ audit.Actor) (any, error) {
	id, err := pathID(r)
	if err != nil {
		return nil, err
	}
	if q := readQuery(r); q.err != nil {
		return nil, q.err
	}
	row, err := s.cfg.Library.Proposal(r.Context(), id)
	if err != nil {
		return nil, err
	}
	p := row.LibraryProposal
	return api.AdminSlashProposal{
		ID: p.ID, State: decisionOf(p.Decision), Filename: p.Name, HostID: p.HostID, FQDN: row.FQDN, SHA256: hex.EncodeToString(p.SHA256),
		Description: p.Description, ArgumentHint: p.ArgumentHint, BaseVersion: p.BaseVersion, SizeBytes: len(p.Content), Prompt: &p.Content,
		CreatedAt: api.Time{Time: p.CreatedAt}, DecidedAt: timeOrNull(p.DecidedAt), DecidedBy: p.DecidedBy,
	}, nil
}

// slashAccept serves POST /admin/slash-command-proposals/{id}/accept: all hosts get the text. What has changed since it was
// proposed is overwritten by force only.
func (s *Surface) slashAccept(r *call.Request, by audit.Actor) (any, error) {
	id, err := pathID(r)
	if err != nil {
		return nil, err
	}
	var request struct {
		Force api.FlexBool `json:"force"`
	}
	if err := r.Decode(&request); err != nil {
		return nil, err
	}
	if request.Force.Invalid {
		return nil, errs.Field("force", "force must be boolean")
	}
	var over library.Base
	if request.Force.Or(false) {
		over = library.Whatever
	}
	current, err := s.cfg.Library.Accept(r.Context(), id, over, library.Author{Actor: by})
	if err != nil {
		return nil, err
	}
	return call.Tagged{ETag: slashTag(current), Data: api.AdminSlashDecided{ID: id, State: proposalAccepted, Filename: current.LibraryFile.Name}}, nil
}

// slashDiscard serves POST /admin/slash-command-proposals/{id}/discard.
func (s *Surface) slashDiscard(r *call.Request, by audit.Actor) (any, error) {
	id, err := pathID(r)
	if err != nil {
		return nil, err
	}
	row, err := s.cfg.Library.Proposal(r.Context(), id)
	if err != nil {
		return nil, err
	}
	if err := s.cfg.Library.Discard(r.Context(), id, library.Author{Actor: by}); err != nil {
		return nil, err
	}
	return api.AdminSlashDecided{ID: id, State: proposalDiscarded, Filename: row.LibraryProposal.Name}, nil
}

// pathID is the number that a path names.
func pathID(r *call.Request) (int64, error) {
	id, err := strconv.ParseInt(r.Param, 10, 64)
	if err != nil || strings.Trim(r.Param, "0123456789") != "" {
		return 0, call.ErrNoRoute
	}
	return id, nil
}
