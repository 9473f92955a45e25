-- name: HostInsert :one
-- HostInsert creates a host. It fails with a unique violation when the FQDN is taken.
INSERT INTO host (account_id, fqdn, key_sha256, key_prefix, secure, vip, insecure_until, expires_at, created_at, updated_at)
VALUES (@account_id, @fqdn, @key_sha256, @key_prefix, @secure, @vip, @insecure_until, @expires_at, @now::timestamptz, @now::timestamptz)
RETURNING *;

-- name: HostRekey :one
-- HostRekey replaces the API key of a registered host: the old one is dead when this commits. The new key binds to the
-- first address it is used from, as every key does.
-- A window is only ever extended (NULL leaves it alone). expires_at is written when set_expiry, and cleared when it has
-- passed: the new key would be dead from birth.
UPDATE host SET key_sha256 = @key_sha256, key_prefix = @key_prefix, secure = @secure, vip = @vip,
	insecure_until = greatest(insecure_until, @insecure_until),
	expires_at = CASE WHEN @set_expiry::boolean THEN @expires_at WHEN expires_at > @now::timestamptz THEN expires_at END,
	bound_ip = NULL, updated_at = @now::timestamptz
WHERE fqdn = @fqdn
RETURNING *;

-- name: HostByFQDN :one
SELECT * FROM host WHERE fqdn = @fqdn;

-- name: HostByID :one
SELECT * FROM host WHERE id = @id;

-- name: HostByKey :one
-- HostByKey finds the host an API key belongs to. An expired host is as good as deleted.
SELECT * FROM host WHERE key_sha256 = @key_sha256 AND (expires_at IS NULL OR expires_at > @now::timestamptz);

-- name: HostList :many
SELECT * FROM host ORDER BY fqdn;

-- name: HostCount :one
SELECT count(*) FROM host;

-- name: HostBindIP :one
-- HostBindIP pins the host to an address, if it may: on first use, when it roams, or when forced. Two first contacts
-- racing cannot both win: the second waits for the row and then sees the binding. No row: the key is pinned to another
-- address, or is no longer this host's key. It is a contact like every other: see HostTouch.
WITH before AS (
	SELECT h.id, h.bound_ip FROM host h WHERE h.id = @id AND h.key_sha256 = @key_sha256 FOR UPDATE
)
UPDATE host SET bound_ip = @ip::inet, updated_at = @now::timestamptz, last_seen_at = @now::timestamptz,
	expires_at = CASE WHEN expires_at IS NULL THEN NULL ELSE greatest(expires_at, @expires_at::timestamptz) END
FROM before
WHERE host.id = before.id
	AND (before.bound_ip IS NULL OR before.bound_ip = @ip::inet OR host.roaming OR @force::boolean)
RETURNING sqlc.embed(host), before.bound_ip AS previous_ip;

-- name: HostTouch :exec
-- HostTouch records a contact and, on a temporary host, moves its expiry on.
UPDATE host SET last_seen_at = @now::timestamptz,
	expires_at = CASE WHEN expires_at IS NULL THEN NULL ELSE greatest(expires_at, @expires_at::timestamptz) END
WHERE id = @id;

-- name: HostCall :one
-- HostCall records a POST /auth and decides an insecure host's window in the same statement: open, it is moved on
-- (never shortened); closed, a store may still come in during the grace. No row: the window is closed.
UPDATE host SET
	client_version = @client_version::text, wrapper_version = @wrapper_version::text,
	api_calls = api_calls + 1, updated_at = @now::timestamptz, last_seen_at = @now::timestamptz,
	insecure_until = CASE
		WHEN secure OR insecure_until IS NULL OR insecure_until < @now::timestamptz THEN insecure_until
		ELSE greatest(insecure_until, @window_end::timestamptz) END
WHERE id = @id AND key_sha256 = @key_sha256
	AND (secure OR insecure_until >= @now::timestamptz OR (@is_store::boolean AND grace_until >= @now::timestamptz))
RETURNING *;

-- name: HostHold :execrows
-- HostHold keeps the host and its API key as they are until the transaction ends. 0 rows: the host or this key is gone.
SELECT 1 FROM host WHERE id = @id AND key_sha256 = @key_sha256 FOR KEY SHARE;

-- name: HostSynced :execrows
-- HostSynced records which generation the host is known to have. 0 rows: the host or this key is gone.
UPDATE host SET last_refresh = @last_refresh::text, auth_digest = @auth_digest WHERE id = @id AND key_sha256 = @key_sha256;

-- name: HostDelete :one
-- HostDelete removes a host with everything that belongs to it; audit entries stay.
DELETE FROM host WHERE id = @id RETURNING fqdn;
