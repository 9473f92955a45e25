package cdx

import (
	"context"
	"errors"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/cdx/screen"
	"github.com/cdxgate/cdxgate/internal/cdx/usage"
)

// countTimeout is how long counting and reporting may take after Codex has ended: somebody waits for the prompt.
const countTimeout = 3 * time.Second

// maxReports bounds how many reports of usage one run sends.
const maxReports = 3

// usage is what Codex used on this home, until the gateway has it.
func (s *session) usage() *usage.Journal { return usage.Open(s.home.dir) }

// report adds the oldest unsent report of usage to a question that is asked anyway; nil: there is none. The lock of the
// home is held.
func (s *session) report() *api.SyncUsage {
	batch, err := s.usage().Next()
	s.noticeUsage(err)
	return batch
}

// reported forgets a report that the gateway has, or will never take. One that came too often, it takes later.
func (s *session) reported(batch *api.SyncUsage, answer any) {
	said, ok := answer.(map[string]any)
	if batch == nil || !ok {
		return
	}
	refused, _ := said["errors"].(map[string]any)
	if _, used := refused["idempotency_key"]; len(refused) > 0 && !used {
		return
	}
	s.noticeUsage(s.usage().Acknowledge(batch.IdempotencyKey))
}

// countUsage counts what Codex used since, and reports it. What cannot be reported now is with the next contact.
func (s *session) countUsage(ctx context.Context, since time.Time) (*screen.Tokens, screen.Sending) {
	var used usage.Tokens
	own := hasOwnCredential() || s.login.isOwnAPIKey()
	ctx, cancel := context.WithTimeout(ctx, countTimeout)
	defer cancel()
	err := s.locked(ctx, func(ctx context.Context) error {
		unsent, _ := s.usage().Pending()
		var err error
		used, err = s.usage().Collect(ctx, since)
		s.noticeUsage(err)
		if own && unsent == 0 {
			return s.dropReports() // the user's own credential is none of the fleet's business
		}
		for range maxReports {
			if batch, _ := s.usage().Next(); batch == nil || own || !s.asked() {
				return nil
			}
			if err := s.settle(ctx, s.retrieve); err != nil {
				return err
			}
		}
		return nil
	})
	if _, refused := errors.AsType[*refusal](err); !refused && !errors.Is(err, errBusy) {
		s.noticeUsage(err)
	}
	if used.Total() == 0 {
		return nil, screen.NothingToSend
	}
	sending := screen.UsageSent
	switch unsent, err := s.usage().Pending(); {
	case own:
		sending = screen.NothingToSend
	case err != nil || unsent > 0:
		sending = screen.UsageKept
	}
	return &screen.Tokens{Total: used.Total(), Input: used.Input, Cached: used.Cached, Output: used.Output}, sending
}

func (s *session) dropReports() error {
	for {
		batch, err := s.usage().Next()
		if batch == nil || err != nil {
			return err
		}
		if err := s.usage().Acknowledge(batch.IdempotencyKey); err != nil {
			return err
		}
	}
}

// noticeUsage tells what is wrong with the count. It never stops a run.
func (s *session) noticeUsage(err error) {
	if err != nil {
		s.notice("usage", err.Error())
	}
}
