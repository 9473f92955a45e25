-- name: HostUserLock :exec
-- HostUserLock lets one report of a host at a time count its users.
SELECT 1 FROM host WHERE id = @host_id FOR NO KEY UPDATE;

-- name: HostUserSee :one
-- HostUserSee records that a system user ran cdx. No row: the host has @max_users already and this would be one more.
INSERT INTO host_user AS u (host_id, username, hostname, first_seen_at, last_seen_at)
SELECT @host_id::bigint, @username::text, sqlc.narg('hostname')::text, @now::timestamptz, @now::timestamptz
WHERE (SELECT count(*) FROM host_user c WHERE c.host_id = @host_id::bigint) < @max_users::bigint
	OR EXISTS (SELECT FROM host_user c WHERE c.host_id = @host_id::bigint AND c.username = @username::text)
ON CONFLICT (host_id, username) DO UPDATE SET hostname = EXCLUDED.hostname, last_seen_at = EXCLUDED.last_seen_at
RETURNING (u.first_seen_at = u.last_seen_at)::boolean AS is_new;

-- name: HostUserList :many
SELECT * FROM host_user WHERE host_id = @host_id ORDER BY username;
