-- name: InstallTokenReplace :execrows
-- InstallTokenReplace makes way for a newer token: the pending one of this host, if any, is dead and its sealed key gone.
UPDATE install_token SET key_sealed = NULL, replaced_at = now() WHERE host_id = @host_id AND key_sealed IS NOT NULL;

-- name: InstallTokenInsert :one
INSERT INTO install_token (id, host_id, token_sha256, token_prefix, key_sealed, expires_at)
VALUES (@id, @host_id, @token_sha256, @token_prefix, @key_sealed::text, now() + make_interval(secs => @ttl_seconds::double precision))
RETURNING expires_at;

-- name: InstallTokenState :one
-- InstallTokenState looks without touching: the database's clock decides whether the token is still good. One of a host
-- that was pruned or has expired is not: its key is dead.
SELECT t.*, h.fqdn, h.force_ipv4, (t.key_sealed IS NOT NULL AND t.expires_at > now()
	AND h.deleted_at IS NULL AND (h.expires_at IS NULL OR h.expires_at > now()))::boolean AS ready
FROM install_token t JOIN host h ON h.id = t.host_id
WHERE t.token_sha256 = @token_sha256;

-- name: InstallTokenClaim :one
-- InstallTokenClaim spends a token: one winner, however many try. The sealed key leaves with the winner's answer and
-- is gone from the table in the same statement. No row: used, replaced, expired or unknown.
WITH claimed AS (
	SELECT t.id, t.key_sealed FROM install_token t JOIN host h ON h.id = t.host_id
	WHERE t.token_sha256 = @token_sha256 AND t.key_sealed IS NOT NULL AND t.expires_at > now()
		AND h.deleted_at IS NULL AND (h.expires_at IS NULL OR h.expires_at > now())
	FOR UPDATE OF t
)
UPDATE install_token SET used_at = now(), used_from = @used_from, key_sealed = NULL
FROM claimed
WHERE install_token.id = claimed.id
RETURNING install_token.id, install_token.host_id, claimed.key_sealed::text AS key_sealed;

-- name: InstallTokenExpire :execrows
-- InstallTokenExpire deletes the sealed keys of tokens that nobody claimed in time.
UPDATE install_token SET key_sealed = NULL
WHERE id IN (
	SELECT t.id FROM install_token t WHERE t.key_sealed IS NOT NULL AND t.expires_at <= now()
	LIMIT @max FOR UPDATE SKIP LOCKED
);

-- name: InstallTokenDeleteOld :execrows
-- InstallTokenDeleteOld forgets tokens that have been dead for longer than anyone asks about them.
DELETE FROM install_token
WHERE key_sealed IS NULL AND expires_at < now() - make_interval(days => @keep_days::integer);
