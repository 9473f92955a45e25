package fleet

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/errs"
)

const (
	maxUsers     = 200 // system users of one host that are remembered
	maxUserBytes = 255
)

// SeeUser records that a system user ran cdx on a host; an empty username records nothing. It returns all users the host
// is known to have, by name: an uninstall removes their files. Names are told apart by case, as the system does.
//
// Errors: kind Invalid on field username; ErrKeyInvalid when the host or its key is gone by now.
func (s *Service) SeeUser(ctx context.Context, host *db.Host, from netip.Addr, username, hostname string) ([]db.HostUser, error) {
	username, hostname = cut(strings.TrimSpace(username), maxUserBytes), cut(strings.TrimSpace(hostname), maxUserBytes)
	if username == "" {
		return s.users(ctx, s.store.Queries, host)
	}
	if username == "." || username == ".." || strings.Contains(username, "/") || printable(username) != username {
		return nil, errs.Field("username", "username must be the name of a system user: no slashes, no control characters")
	}
	params := db.HostUserSeeParams{HostID: host.ID, Username: username, Now: s.now(), MaxUsers: maxUsers}
	if hostname = printable(hostname); hostname != "" {
		params.Hostname = &hostname
	}
	var users []db.HostUser
	err := s.store.WithTx(ctx, func(q *db.Queries) error {
		if _, err := Hold(ctx, q, host); err != nil {
			return err
		}
		isNew, err := q.HostUserSee(ctx, params)
		switch {
		case db.IsNoRows(err):
			return errs.Field("username", fmt.Sprintf("this host has %d users already; an admin can remove it and register it anew", maxUsers))
		case err != nil:
			return fmt.Errorf("recording a user of %s: %w", host.FQDN, err)
		}
		if isNew { // only then: a user who comes every minute is no news
			err = audit.Record(ctx, q, audit.Entry{
				At: s.now(), Action: audit.ActionHostUser, HostID: host.ID,
				Actor:   audit.Actor{Kind: audit.KindHost, Name: host.FQDN, IP: normal(from)},
				Details: audit.Details{"username": username, "hostname": hostname},
			})
			if err != nil {
				return err
			}
		}
		users, err = s.users(ctx, q, host)
		return err
	})
	return users, err
}

func (s *Service) users(ctx context.Context, q *db.Queries, host *db.Host) ([]db.HostUser, error) {
	users, err := q.HostUserList(ctx, host.ID)
	if err != nil {
		return nil, fmt.Errorf("listing the users of %s: %w", host.FQDN, err)
	}
	return users, nil
}

// cut shortens a text to so many bytes, between characters.
func cut(text string, maxBytes int) string {
	for len(text) > maxBytes {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
	}
	return text
}

func printable(text string) string {
	return strings.Map(func(r rune) rune {
		// Operators read this in a terminal, which more than ASCII's control characters can command.
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, text)
}
