-- name: HostUserSee :one
-- HostUserSee records that a system user ran cdx. No row: the host has @max_users already and this would be one more.
-- is_new looks at the table as it was before this statement.
INSERT INTO host_user AS u (host_id, username, hostname, first_seen_at, last_seen_at)
SELECT @host_id::bigint, @username::text, sqlc.narg('hostname')::text, @now::timestamptz, @now::timestamptz
WHERE (SELECT count(*) FROM host_user c WHERE c.host_id = @host_id::bigint) < @max_users::bigint
	OR EXISTS (SELECT FROM host_user c WHERE c.host_id = @host_id::bigint AND c.username = @username::text)
ON CONFLICT (host_id, username) DO UPDATE SET hostname = EXCLUDED.hostname, last_seen_at = EXCLUDED.last_seen_at
RETURNING (NOT EXISTS (SELECT FROM host_user k WHERE k.host_id = u.host_id AND k.username = u.username))::boolean AS is_new;

-- name: HostUserList :many
-- HostUserList lists a host's users by the bytes of their names, whatever the database's locale.
SELECT * FROM host_user WHERE host_id = @host_id ORDER BY username COLLATE "C";

-- name: HostUserClear :exec
-- HostUserClear forgets the users of a host that comes back: it may be another machine now.
DELETE FROM host_user WHERE host_id = @host_id;
