-- name: QuotaStateCreate :exec
-- QuotaStateCreate makes the state of an account, unless it has one.
INSERT INTO quota_state (account_id) VALUES (@account_id) ON CONFLICT DO NOTHING;

-- name: QuotaDue :many
-- QuotaDue are the accounts that QuotaClaim would claim now.
SELECT a.id FROM account a LEFT JOIN quota_state s ON s.account_id = a.id
WHERE a.generation > 0 AND (s.account_id IS NULL OR (s.held_until <= now() AND (s.next_eligible_at <= now()
	OR (s.error_code = ANY(@about_login::text[]) AND s.generation <> a.generation))))
ORDER BY a.id;

-- name: QuotaClaim :one
-- QuotaClaim makes the caller the one who asks about an account: it is due, or it is forced and nobody is to wait. What
-- was wrong with a login does not hold back the next one. No row: somebody else asks, or it is not the time.
UPDATE quota_state s SET attempt = s.attempt + 1, asked_at = now(), generation = a.generation,
	held_until = now() + make_interval(secs => @lease_seconds::double precision)
FROM account a
WHERE a.id = s.account_id AND s.account_id = @account_id AND a.generation > 0 AND s.held_until <= now()
	AND (@forced::boolean OR s.next_eligible_at <= now() OR (s.error_code = ANY(@about_login::text[]) AND s.generation <> a.generation))
RETURNING s.attempt, s.asked_at::timestamptz AS asked_at;

-- name: QuotaStateHold :one
-- QuotaStateHold locks the state of an account. It joins nothing: what others did while this waited would not be seen there.
SELECT attempt, failures, error_code FROM quota_state WHERE account_id = @account_id FOR NO KEY UPDATE;

-- name: QuotaHeld :one
-- QuotaHeld is the last good answer about an account's present login, whose ChatGPT account is login_account, and since when
-- logins of that one are canonical; epoch: there was none of another.
SELECT g.chatgpt_account AS login_account, q.fetched_at, q.source, coalesce((
		SELECT min(m.created_at) FROM generation m WHERE m.account_id = a.id AND m.number > (
			SELECT max(o.number) FROM generation o WHERE o.account_id = a.id AND o.chatgpt_account IS DISTINCT FROM g.chatgpt_account)
	), 'epoch')::timestamptz AS login_since
FROM quota_state s JOIN account a ON a.id = s.account_id
	LEFT JOIN generation g ON g.account_id = a.id AND g.number = a.generation
	LEFT JOIN quota_snapshot q ON q.id = s.snapshot_id AND q.chatgpt_account IS NOT DISTINCT FROM g.chatgpt_account
WHERE s.account_id = @account_id;

-- name: QuotaSnapshotInsert :one
INSERT INTO quota_snapshot (account_id, source, host_id, chatgpt_account, fetched_at, plan_type, rate_allowed, rate_limit_reached,
	primary_used_percent, primary_limit_seconds, primary_resets_at, secondary_used_percent, secondary_limit_seconds, secondary_resets_at,
	has_credits, unlimited, credit_balance, approx_local_messages, approx_cloud_messages)
VALUES (@account_id, @source, @host_id, @chatgpt_account, @fetched_at, @plan_type, @rate_allowed, @rate_limit_reached,
	@primary_used_percent, @primary_limit_seconds, @primary_resets_at, @secondary_used_percent, @secondary_limit_seconds, @secondary_resets_at,
	@has_credits, @unlimited, @credit_balance, @approx_local_messages, @approx_cloud_messages)
RETURNING id;

-- name: QuotaSnapshotAdopt :exec
-- QuotaSnapshotAdopt makes a snapshot of a host the last good answer; how ChatGPT is asked stays as it is.
UPDATE quota_state SET snapshot_id = @snapshot_id::bigint WHERE account_id = @account_id;

-- name: QuotaSucceed :exec
-- QuotaSucceed ends a question that was answered.
UPDATE quota_state SET snapshot_id = @snapshot_id::bigint, failures = 0, error_code = NULL, error_text = NULL, error_status = NULL, error_at = NULL,
	next_eligible_at = now() + make_interval(secs => @wait_seconds::double precision),
	held_until = now() + make_interval(secs => @hold_seconds::double precision)
WHERE account_id = @account_id AND attempt = @attempt;

-- name: QuotaFail :exec
-- QuotaFail ends a question that was not answered. The last good answer stays.
UPDATE quota_state SET failures = failures + 1, error_code = @error_code::text, error_text = @error_text::text, error_status = @error_status, error_at = now(),
	next_eligible_at = now() + make_interval(secs => @wait_seconds::double precision),
	held_until = now() + make_interval(secs => @hold_seconds::double precision)
WHERE account_id = @account_id AND attempt = @attempt;

-- name: QuotaRead :one
-- QuotaRead is what is known about an account: how it is asked, the last good answer unless that is about another login,
-- who brought it, and the first of the day that tells how much of the long window was used. ChatGPT's word counts before
-- a host's there.
SELECT a.generation, s.asked_at, s.next_eligible_at, s.error_code, s.error_text, s.error_status, s.error_at, h.fqdn,
	q.id, q.source, q.host_id, q.fetched_at, q.created_at, q.plan_type, q.rate_allowed, q.rate_limit_reached,
	q.primary_used_percent, q.primary_limit_seconds, q.primary_resets_at, q.secondary_used_percent, q.secondary_limit_seconds, q.secondary_resets_at,
	q.has_credits, q.unlimited, q.credit_balance, q.approx_local_messages, q.approx_cloud_messages,
	coalesce(b.fetched_at, 'epoch')::timestamptz AS baseline_at, b.secondary_used_percent AS baseline_percent, b.secondary_resets_at AS baseline_resets_at
FROM account a
	LEFT JOIN generation g ON g.account_id = a.id AND g.number = a.generation
	LEFT JOIN quota_state s ON s.account_id = a.id
	LEFT JOIN quota_snapshot q ON q.id = s.snapshot_id AND q.chatgpt_account IS NOT DISTINCT FROM g.chatgpt_account
	LEFT JOIN host h ON h.id = q.host_id
	LEFT JOIN LATERAL (
		SELECT d.fetched_at, d.secondary_used_percent, d.secondary_resets_at FROM quota_snapshot d
		WHERE d.account_id = a.id AND d.fetched_at >= @day::timestamptz AND d.fetched_at <= q.fetched_at
			AND d.chatgpt_account IS NOT DISTINCT FROM q.chatgpt_account AND d.secondary_used_percent IS NOT NULL
		ORDER BY d.source, d.fetched_at, d.id LIMIT 1
	) b ON true
WHERE a.id = @account_id;

-- name: QuotaHistory :many
-- QuotaHistory is what was said about an account since a moment, the newest first.
SELECT id, fetched_at, source, primary_used_percent, primary_limit_seconds, secondary_used_percent, secondary_limit_seconds
FROM quota_snapshot WHERE account_id = @account_id AND fetched_at >= @since::timestamptz
ORDER BY fetched_at DESC, id DESC LIMIT @max;

-- name: QuotaThin :execrows
-- QuotaThin deletes what is older than @before, and of what is older than @daily_before all but the newest of each day, UTC,
-- of what is older than @hourly_before all but the newest of each hour. A last good answer stays, however old.
DELETE FROM quota_snapshot WHERE id IN (
	SELECT t.id FROM (
		SELECT q.id, q.fetched_at, row_number() OVER (
			PARTITION BY q.account_id, q.fetched_at < @daily_before::timestamptz,
				date_trunc(CASE WHEN q.fetched_at < @daily_before THEN 'day' ELSE 'hour' END, q.fetched_at AT TIME ZONE 'UTC')
			ORDER BY q.fetched_at DESC, q.id DESC) AS place
		FROM quota_snapshot q WHERE q.fetched_at < @hourly_before::timestamptz
	) t
	WHERE (t.place > 1 OR t.fetched_at < @before::timestamptz) AND NOT EXISTS (SELECT FROM quota_state s WHERE s.snapshot_id = t.id)
	LIMIT @max
);
