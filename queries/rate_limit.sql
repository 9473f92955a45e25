-- name: RateLimitHit :one
-- RateLimitHit counts a hit in a fixed window on the database's clock, however many gateways count at once. The hit that
-- first exceeds the limit starts the block, if the bucket has one; later hits do not prolong it, so that callers who
-- keep trying are free again one day.
INSERT INTO rate_limit AS r (bucket, subject, hits, reset_at)
VALUES (@bucket, @subject, 1, now() + make_interval(secs => @window_seconds::double precision))
ON CONFLICT (bucket, subject) DO UPDATE SET
	hits = CASE WHEN r.reset_at <= now() THEN 1 ELSE least(r.hits, 1000000000) + 1 END,
	reset_at = CASE
		WHEN r.reset_at <= now() THEN EXCLUDED.reset_at
		WHEN r.hits = @max_hits::integer AND @block_seconds::double precision > 0 THEN now() + make_interval(secs => @block_seconds::double precision)
		ELSE r.reset_at END
RETURNING hits, reset_at;

-- name: RateLimitBlocked :one
-- RateLimitBlocked looks without counting. No row: the subject is within the limit.
SELECT reset_at FROM rate_limit
WHERE bucket = @bucket AND subject = @subject AND hits > @max_hits::integer AND reset_at > now();

-- name: RateLimitBlockedCount :one
-- RateLimitBlockedCount is how many subjects a bucket refuses now.
SELECT count(*) FROM rate_limit WHERE bucket = @bucket AND hits > @max_hits::integer AND reset_at > now();

-- name: RateLimitClear :execrows
-- RateLimitClear forgets what a subject did, in every bucket.
DELETE FROM rate_limit WHERE subject = @subject;

-- name: RateLimitPurge :execrows
-- RateLimitPurge deletes windows that have ended.
WITH batch AS (SELECT r.bucket, r.subject FROM rate_limit r WHERE r.reset_at <= now() LIMIT @max FOR UPDATE SKIP LOCKED)
DELETE FROM rate_limit USING batch WHERE rate_limit.bucket = batch.bucket AND rate_limit.subject = batch.subject;
