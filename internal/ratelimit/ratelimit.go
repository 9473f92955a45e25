// Package ratelimit counts what callers do and says when it is too much. Counts live in the database, so all gateways
// share them.
package ratelimit

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/internal/errs"
)

// Refusals. The messages are matched by old clients; details say bucket, limit and reset_at.
var (
	ErrLimited  = errs.New(errs.Limited, "rate_limited", "Rate limit exceeded")
	ErrFailures = errs.New(errs.Limited, "too_many_failures", "Too many failed authentication attempts")
)

// Bucket names what is counted together, on the wire and in the configuration.
type Bucket string

// The buckets. Those that end in -fail count failures only, and block when they overflow.
const (
	Global    Bucket = "global"     // requests without a valid key, by address
	Host      Bucket = "host"       // requests with a valid key, by host
	AuthFail  Bucket = "auth-fail"  // missing or unknown API keys, by address
	EnrolFail Bucket = "enrol-fail" // install tokens that are no good, by address
	SeedFail  Bucket = "seed-fail"  // seed tokens that are no good, by address
	AdminFail Bucket = "admin-fail" // refused admin certificates, by address
)

// Buckets are all of them, in the order people read them.
var Buckets = []Bucket{Global, Host, AuthFail, EnrolFail, SeedFail, AdminFail}

// Rule bounds one bucket: Limit hits in Window; then, if Block is not zero, nothing for so long. The zero Rule bounds
// nothing.
type Rule struct {
	Limit  int32
	Window time.Duration
	Block  time.Duration
}

// Rules are the rules of all buckets; a bucket without one is not bounded.
type Rules map[Bucket]Rule

// Defaults are the reference's (contract/host-api.md 1.8) where it has the bucket.
func Defaults() Rules {
	failures := Rule{Limit: 20, Window: 10 * time.Minute, Block: 30 * time.Minute}
	return Rules{
		Global: {Limit: 120, Window: time.Minute}, Host: {Limit: 120, Window: time.Minute},
		AuthFail: failures, EnrolFail: failures, SeedFail: failures, AdminFail: failures,
	}
}

// Service counts in one database. It is safe for concurrent use, on any number of gateways.
type Service struct {
	store *db.Store
	rules Rules
}

// New makes a service.
func New(store *db.Store, rules Rules) *Service { return &Service{store: store, rules: rules} }

// Request counts a request of a host, or of an address if hostID is 0. Errors: ErrLimited.
func (s *Service) Request(ctx context.Context, hostID int64, from netip.Addr) error {
	bucket, subject := Global, Subject(from)
	if hostID != 0 {
		bucket, subject = Host, strconv.FormatInt(hostID, 10)
	}
	hit, err := s.hit(ctx, s.store.Queries, bucket, subject)
	if err != nil || hit.Hits <= s.rules[bucket].Limit {
		return err
	}
	return s.refuse(ErrLimited, bucket, hit.ResetAt)
}

const failureTimeout = 5 * time.Second // of counting a failure, which its caller cannot cancel

// Failure counts a failed attempt from an address and returns refusal, which says what failed, or, when that was one too
// many, ErrFailures. The first one too many is audited, in the transaction that counts it.
func (s *Service) Failure(ctx context.Context, bucket Bucket, from netip.Addr, refusal *errs.Error) error {
	// Who hangs up has failed all the same; else the attempt that trips the limit could be made without a trace.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), failureTimeout)
	defer cancel()
	limit := s.rules[bucket].Limit
	if limit == 0 {
		return refusal
	}
	var hit db.RateLimitHitRow
	err := s.store.WithTx(ctx, func(q *db.Queries) (err error) {
		hit, err = s.hit(ctx, q, bucket, Subject(from))
		if err != nil || hit.Hits != limit+1 {
			return err
		}
		return record(ctx, q, bucket, from, refusal.Code, hit.ResetAt)
	})
	switch {
	case err != nil:
		return err
	case hit.Hits <= limit:
		return refusal
	}
	return s.refuse(ErrFailures, bucket, hit.ResetAt)
}

// Blocked refuses an address that failed too often, whatever it comes with now. Errors: ErrFailures.
func (s *Service) Blocked(ctx context.Context, bucket Bucket, from netip.Addr) error {
	rule := s.rules[bucket]
	if rule.Limit == 0 {
		return nil
	}
	until, err := s.store.RateLimitBlocked(ctx, db.RateLimitBlockedParams{
		Bucket: string(bucket), Subject: Subject(from), MaxHits: rule.Limit,
	})
	switch {
	case db.IsNoRows(err):
		return nil
	case err != nil:
		return fmt.Errorf("looking whether an address is blocked: %w", err)
	}
	return s.refuse(ErrFailures, bucket, until)
}

// BlockedCount is how many addresses are refused now because they failed too often.
func (s *Service) BlockedCount(ctx context.Context) (count int64, err error) {
	for _, bucket := range []Bucket{AuthFail, EnrolFail, SeedFail, AdminFail} {
		rule := s.rules[bucket]
		if rule.Limit == 0 {
			continue
		}
		n, err := s.store.RateLimitBlockedCount(ctx, db.RateLimitBlockedCountParams{Bucket: string(bucket), MaxHits: rule.Limit})
		if err != nil {
			return 0, fmt.Errorf("counting blocked addresses: %w", err)
		}
		count += n
	}
	return count, nil
}

// Clear forgets what an address did, in every bucket. forgot is false when there was nothing to forget, which is no act.
func (s *Service) Clear(ctx context.Context, from netip.Addr, by audit.Actor) (forgot bool, err error) {
	err = s.store.WithTx(ctx, func(q *db.Queries) error {
		n, err := q.RateLimitClear(ctx, Subject(from))
		switch {
		case err != nil:
			return fmt.Errorf("clearing the limits of an address: %w", err)
		case n == 0:
			return nil
		}
		forgot = true
		return audit.Record(ctx, q, audit.Entry{
			At: time.Now(), Actor: by, Action: audit.ActionRateLimitClear, Details: audit.Details{"address": Subject(from)},
		})
	})
	return forgot, err
}

// First reports whether this is the first time in a window that something about a subject happens. It bounds nothing: it is
// for what is to be told once, not at every repetition.
func (s *Service) First(ctx context.Context, topic, subject string, window time.Duration) (bool, error) {
	row, err := s.store.RateLimitHit(ctx, db.RateLimitHitParams{
		Bucket: topic, Subject: subject, MaxHits: math.MaxInt32, WindowSeconds: window.Seconds(),
	})
	if err != nil {
		return false, fmt.Errorf("counting %s: %w", topic, err)
	}
	return row.Hits == 1, nil
}

const purgeBatch = 5000

// Purge deletes windows that have ended. One pass.
func (s *Service) Purge(ctx context.Context) (changed int, err error) {
	deleted, err := s.store.RateLimitPurge(ctx, purgeBatch)
	if err != nil {
		return 0, fmt.Errorf("purging the rate limits: %w", err)
	}
	return int(deleted), nil
}

func (s *Service) hit(ctx context.Context, q *db.Queries, bucket Bucket, subject string) (db.RateLimitHitRow, error) {
	rule := s.rules[bucket]
	if rule.Limit == 0 {
		return db.RateLimitHitRow{}, nil
	}
	row, err := q.RateLimitHit(ctx, db.RateLimitHitParams{
		Bucket: string(bucket), Subject: subject, MaxHits: rule.Limit,
		WindowSeconds: rule.Window.Seconds(), BlockSeconds: rule.Block.Seconds(),
	})
	if err != nil {
		return row, fmt.Errorf("counting a hit in %s: %w", bucket, err)
	}
	return row, nil
}

func (s *Service) refuse(e *errs.Error, bucket Bucket, until time.Time) error {
	return e.With("bucket", string(bucket)).With("limit", s.rules[bucket].Limit).
		With("reset_at", until.UTC().Format(api.TimeFormat)).Later(time.Until(until))
}

func record(ctx context.Context, q *db.Queries, bucket Bucket, from netip.Addr, reason string, until time.Time) error {
	return audit.Record(ctx, q, audit.Entry{
		At: time.Now(), Action: audit.ActionRateLimit,
		Actor:   audit.Actor{Kind: audit.KindGateway, Name: audit.Gateway.Name, IP: from.Unmap().WithZone("")},
		Details: audit.Details{"bucket": bucket, "reason": reason, "reset_at": until.UTC().Format(api.TimeFormat)},
	})
}

// subjectBits is how much of an IPv6 address tells one caller from another: who has one has 2^64.
const subjectBits = 64

// Subject is what an address is counted as: itself, or its /64. Callers whose address is unknown are one.
func Subject(from netip.Addr) string {
	from = from.Unmap().WithZone("")
	if from.Is6() {
		prefix, _ := from.Prefix(subjectBits) // 64 bits fit
		return prefix.String()
	}
	if !from.IsValid() {
		return "unknown"
	}
	return from.String()
}
