package quota

import (
	"time"

	"github.com/cdxgate/cdxgate/db"
)

// Sources of snapshots.
const (
	sourceChatGPT = "chatgpt"
	sourceHost    = "host"
)

func rowOf(accountID int64, s *Snapshot) db.QuotaSnapshotInsertParams {
	return db.QuotaSnapshotInsertParams{
		AccountID: accountID, Source: s.source(), HostID: s.HostID, ChatGPTAccount: textOrNil(s.chatgptAccount), FetchedAt: s.FetchedAt,
		PlanType: textOrNil(s.Plan), RateAllowed: s.Allowed, RateLimitReached: s.Reached,
		PrimaryUsedPercent: int32OrNil(s.Short.UsedPercent), PrimaryLimitSeconds: secondsOrNil(s.Short.Length), PrimaryResetsAt: timeOrNil(s.Short.ResetsAt),
		SecondaryUsedPercent: int32OrNil(s.Long.UsedPercent), SecondaryLimitSeconds: secondsOrNil(s.Long.Length), SecondaryResetsAt: timeOrNil(s.Long.ResetsAt),
		HasCredits: s.HasCredits, Unlimited: s.Unlimited, CreditBalance: textOrNil(s.CreditBalance),
		ApproxLocalMessages: s.LocalMessages, ApproxCloudMessages: s.CloudMessages,
	}
}

func (s *Snapshot) source() string {
	if s.FromHost {
		return sourceHost
	}
	return sourceChatGPT
}

// snapshotOf is nil when the row has none.
func snapshotOf(row *db.QuotaReadRow) *Snapshot {
	if row.ID == nil {
		return nil
	}
	return &Snapshot{
		ID: *row.ID, FromHost: row.Source != nil && *row.Source == sourceHost, HostID: row.HostID, HostFQDN: textOf(row.FQDN),
		FetchedAt: timeOf(row.FetchedAt), CreatedAt: timeOf(row.CreatedAt), Plan: textOf(row.PlanType), Allowed: row.RateAllowed, Reached: row.RateLimitReached,
		Short:      Window{UsedPercent: intOf(row.PrimaryUsedPercent), Length: lengthOf(row.PrimaryLimitSeconds), ResetsAt: timeOf(row.PrimaryResetsAt)},
		Long:       Window{UsedPercent: intOf(row.SecondaryUsedPercent), Length: lengthOf(row.SecondaryLimitSeconds), ResetsAt: timeOf(row.SecondaryResetsAt)},
		HasCredits: row.HasCredits, Unlimited: row.Unlimited, CreditBalance: textOf(row.CreditBalance),
		LocalMessages: row.ApproxLocalMessages, CloudMessages: row.ApproxCloudMessages,
	}
}

func textOrNil(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func textOf(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

func int32OrNil(n *int) *int32 {
	if n == nil {
		return nil
	}
	return new(int32(*n)) //nolint:gosec // at most maxPercent
}

func intOf(n *int32) *int {
	if n == nil {
		return nil
	}
	return new(int(*n))
}

func secondsOrNil(d time.Duration) *int32 {
	if d <= 0 {
		return nil
	}
	return new(int32(d / time.Second)) //nolint:gosec // at most maxSeconds
}

func lengthOf(seconds *int32) time.Duration {
	if seconds == nil {
		return 0
	}
	return time.Duration(*seconds) * time.Second
}
