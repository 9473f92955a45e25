-- name: AdminLinkInsert :one
INSERT INTO admin_link (token_sha256, role, created_by, expires_at)
VALUES (@token_sha256, @role, @created_by, now() + make_interval(secs => @ttl_seconds::double precision))
RETURNING id, expires_at;

-- name: AdminLinkState :one
-- AdminLinkState looks without touching: a preview of the link must burn nothing.
SELECT id, role, created_by, expires_at, (used_at IS NOT NULL)::boolean AS used, (expires_at <= now())::boolean AS expired
FROM admin_link WHERE token_sha256 = @token_sha256;

-- name: AdminLinkClaim :one
-- AdminLinkClaim spends a link: one winner, however many try. No row: used, expired or unknown.
UPDATE admin_link SET used_at = now(), used_from = @used_from
WHERE token_sha256 = @token_sha256 AND used_at IS NULL AND expires_at > now()
RETURNING id, role, created_by;

-- name: AdminLinkList :many
-- AdminLinkList is the links that somebody may still use.
SELECT id, role, created_by, created_at, expires_at FROM admin_link WHERE used_at IS NULL AND expires_at > now() ORDER BY id;

-- name: AdminLinkRevoke :one
-- AdminLinkRevoke has a link end before it began: a use of it that is waiting for this must not find it good by its own, earlier
-- now(). No row: it is used or over, or never was.
UPDATE admin_link SET expires_at = created_at WHERE id = @id AND used_at IS NULL AND expires_at > now() RETURNING role;
