-- name: AdminTokenInsert :one
INSERT INTO admin_token (name, token_sha256, token_prefix, role, scopes, created_by, expires_at)
VALUES (@name, @token_sha256, @token_prefix, @role, @scopes, @created_by, now() + make_interval(secs => @ttl_seconds::double precision))
RETURNING expires_at;

-- name: AdminTokenList :many
SELECT id, name, token_prefix, role, scopes, created_at, created_by, expires_at, last_used_at, revoked_at, (expires_at <= now())::boolean AS expired
FROM admin_token ORDER BY name, id;

-- name: AdminTokenBySHA256 :one
-- AdminTokenBySHA256 is asked for every request; the database's clock decides whether the token is still good.
SELECT id, name, role, scopes, expires_at, (revoked_at IS NULL AND expires_at > now())::boolean AS good,
	(last_used_at IS NULL OR last_used_at < now() - interval '1 minute')::boolean AS stale
FROM admin_token WHERE token_sha256 = @token_sha256;

-- name: AdminTokenTouch :exec
UPDATE admin_token SET last_used_at = now()
WHERE id = @id AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute');

-- name: AdminTokenRevoke :one
UPDATE admin_token SET revoked_at = now() WHERE name = @name AND revoked_at IS NULL RETURNING token_prefix;
