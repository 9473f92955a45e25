-- name: SeedTokenInsert :one
INSERT INTO seed_token (id, account_id, token_sha256, token_prefix, created_by, expires_at)
VALUES (@id, @account_id, @token_sha256, @token_prefix, @created_by, now() + make_interval(secs => @ttl_seconds::double precision))
RETURNING expires_at;

-- name: SeedTokenState :one
-- SeedTokenState looks without touching: the database's clock decides whether the token is still good.
SELECT t.*, (t.used_at IS NULL AND t.attempts < @max_attempts AND t.expires_at > now())::boolean AS ready
FROM seed_token t WHERE t.token_sha256 = @token_sha256;

-- name: SeedTokenClaim :one
-- SeedTokenClaim spends a token: one winner, however many try. No row: used, worn out, expired or unknown.
UPDATE seed_token SET used_at = now(), used_from = @used_from
WHERE token_sha256 = @token_sha256 AND used_at IS NULL AND attempts < @max_attempts AND expires_at > now()
RETURNING *;

-- name: SeedTokenMiss :one
-- SeedTokenMiss counts an upload that was no good. No row: as SeedTokenClaim.
UPDATE seed_token SET attempts = attempts + 1
WHERE token_sha256 = @token_sha256 AND used_at IS NULL AND attempts < @max_attempts AND expires_at > now()
RETURNING *;

-- name: SeedTokenDeleteOld :execrows
-- SeedTokenDeleteOld forgets tokens that have been dead for longer than anyone asks about them.
DELETE FROM seed_token WHERE id IN (
	SELECT t.id FROM seed_token t WHERE t.expires_at < now() - make_interval(days => @keep_days::integer) LIMIT @max
);
