-- name: AdminSessionInsert :one
INSERT INTO admin_session (link_id, token_sha256, role, expires_at)
VALUES (@link_id, @token_sha256, @role, now() + make_interval(secs => @ttl_seconds::double precision))
RETURNING id, expires_at;

-- name: AdminSessionBySHA256 :one
-- AdminSessionBySHA256 is asked for every request; the database's clock decides whether the session is still good.
SELECT s.id, s.link_id, s.role, s.expires_at, l.created_by, (s.revoked_at IS NULL AND s.expires_at > now())::boolean AS good
FROM admin_session s JOIN admin_link l ON l.id = s.link_id WHERE s.token_sha256 = @token_sha256;

-- name: AdminSessionList :many
SELECT s.id, s.link_id, s.role, s.created_at, s.expires_at, s.revoked_at, l.created_by, l.used_from, (s.expires_at <= now())::boolean AS expired
FROM admin_session s JOIN admin_link l ON l.id = s.link_id ORDER BY s.id;

-- name: AdminSessionRevoke :one
UPDATE admin_session SET revoked_at = now() WHERE id = @id AND revoked_at IS NULL AND expires_at > now() RETURNING link_id;

-- name: AdminSessionDeleteOld :execrows
-- AdminSessionDeleteOld forgets sessions that have been over for longer than anyone asks about them.
DELETE FROM admin_session WHERE id IN (
	SELECT s.id FROM admin_session s WHERE s.expires_at < now() - make_interval(days => @keep_days::integer) ORDER BY s.id LIMIT @max
);

-- name: AdminLinkDeleteOld :execrows
-- AdminLinkDeleteOld forgets links that have expired likewise and have no session any more.
DELETE FROM admin_link WHERE id IN (
	SELECT l.id FROM admin_link l
	WHERE l.expires_at < now() - make_interval(days => @keep_days::integer)
		AND NOT EXISTS (SELECT 1 FROM admin_session s WHERE s.link_id = l.id)
	ORDER BY l.id LIMIT @max
);
