-- name: HostInsert :one
-- HostInsert creates a host. It fails with a unique violation when the FQDN is taken.
INSERT INTO host (account_id, fqdn, key_sha256, key_prefix, secure, vip, force_ipv4, insecure_until, expires_at, created_at, updated_at)
VALUES (@account_id, @fqdn, @key_sha256, @key_prefix, @secure, @vip, @force_ipv4, @insecure_until, @expires_at, @now::timestamptz, @now::timestamptz)
RETURNING *;

-- name: HostRekey :one
-- HostRekey replaces the API key of a registered host: the old one is dead when this commits. The new key binds to the
-- first address it is used from, as every key does.
-- A window is only ever extended (NULL leaves it alone). expires_at is written when set_expiry; else one that has passed is
-- cleared, and one to come is moved on to @lives_until: the new key must outlive its install token. A pruned host is one
-- again. A key that was to come after the old one does not.
UPDATE host SET key_sha256 = @key_sha256, key_prefix = @key_prefix, secure = @secure, vip = @vip,
	force_ipv4 = coalesce(sqlc.narg('force_ipv4'), force_ipv4), insecure_until = greatest(insecure_until, @insecure_until),
	expires_at = CASE WHEN @set_expiry::boolean THEN @expires_at WHEN expires_at > @now::timestamptz THEN greatest(expires_at, @lives_until::timestamptz) END,
	bound_ip = NULL, deleted_at = NULL, deleted_why = NULL, updated_at = @now::timestamptz,
	next_key_sha256 = NULL, next_key_prefix = NULL, next_key_sealed = NULL, key_until = NULL
WHERE fqdn = @fqdn
RETURNING *;

-- name: HostReplaceKey :one
-- HostReplaceKey replaces the API key of a host and nothing else that it may do: the old one, and one that was to come
-- after it, are dead when this commits. The new key binds to the first address it is used from.
UPDATE host SET key_sha256 = @key_sha256, key_prefix = @key_prefix, bound_ip = NULL, updated_at = @now::timestamptz,
	expires_at = CASE WHEN expires_at IS NULL THEN NULL ELSE greatest(expires_at, @lives_until::timestamptz) END,
	next_key_sha256 = NULL, next_key_prefix = NULL, next_key_sealed = NULL, key_until = NULL
WHERE id = @id AND deleted_at IS NULL
RETURNING *;

-- name: HostNextKey :one
-- HostNextKey gives a host a second API key, which is to come after the one it has. No row: there is one already, the host
-- may come from several addresses, or it is gone.
UPDATE host SET next_key_sha256 = @next_key_sha256, next_key_prefix = @next_key_prefix::text, next_key_sealed = @next_key_sealed::text,
	key_until = @key_until::timestamptz, updated_at = @now::timestamptz
WHERE id = @id AND deleted_at IS NULL AND next_key_sha256 IS NULL AND NOT roaming AND cardinality(allow_from) = 0
RETURNING *;

-- name: HostHandOverKey :one
-- HostHandOverKey reads the next API key of a host that came with the old one, and keeps both as they are until the
-- transaction ends. No row: there is none to hand over, or not to whoever has this key.
SELECT next_key_sealed::text AS next_key_sealed, next_key_sha256, next_key_prefix::text AS next_key_prefix FROM host
WHERE id = @id AND key_sha256 = @key_sha256 AND deleted_at IS NULL AND status = 'active'
	AND next_key_sealed IS NOT NULL AND key_until > @now::timestamptz AND NOT roaming AND cardinality(allow_from) = 0
FOR NO KEY UPDATE;

-- name: HostAdoptKey :one
-- HostAdoptKey ends the old API key of a host that has come with the next one. No row: it has ended already, or the host or
-- this key is gone.
UPDATE host SET key_sha256 = next_key_sha256, key_prefix = next_key_prefix, updated_at = @now::timestamptz,
	next_key_sha256 = NULL, next_key_prefix = NULL, next_key_sealed = NULL, key_until = NULL
WHERE id = @id AND next_key_sha256 = @key_sha256 AND deleted_at IS NULL
RETURNING *;

-- name: HostForgetNextKey :execrows
-- HostForgetNextKey deletes the sealed keys of hosts whose old key has ended: nobody can be given them any more.
UPDATE host SET next_key_sealed = NULL
WHERE id IN (
	SELECT h.id FROM host h WHERE h.next_key_sealed IS NOT NULL AND h.key_until <= @now::timestamptz
	LIMIT @max FOR UPDATE SKIP LOCKED
);

-- name: HostRename :one
-- HostRename gives a host another name. It fails with a unique violation when that is taken.
UPDATE host SET fqdn = @fqdn, previous_fqdns = @previous_fqdns::text[], updated_at = @now::timestamptz
WHERE id = @id AND deleted_at IS NULL
RETURNING *;

-- name: HostByFQDN :one
SELECT * FROM host WHERE fqdn = @fqdn AND deleted_at IS NULL;

-- name: HostByFQDNPruned :one
-- HostByFQDNPruned finds a host whether it was pruned or not.
SELECT * FROM host WHERE fqdn = @fqdn;

-- name: HostByID :one
SELECT * FROM host WHERE id = @id AND deleted_at IS NULL;

-- name: HostByKey :one
-- HostByKey finds the host an API key belongs to, whether it is the present one, as long as that lasts, or the next. An
-- expired or pruned host is as good as deleted.
SELECT * FROM host
WHERE (key_sha256 = @key_sha256 AND (key_until IS NULL OR key_until > @now::timestamptz) OR next_key_sha256 = @key_sha256)
	AND deleted_at IS NULL AND (expires_at IS NULL OR expires_at > @now::timestamptz);

-- name: HostForChange :one
-- HostForChange reads a host and keeps it as it is until the transaction ends.
SELECT * FROM host WHERE id = @id AND deleted_at IS NULL FOR NO KEY UPDATE;

-- name: HostPage :many
-- HostPage is a part of the list of hosts that match, with how many match in all. A filter that is NULL leaves hosts be. They
-- are in the order of a number, which is what @sort says and 0 for any other word, then by name; @past: only those after the
-- one of @number and @name. A host is outdated that has another Codex than @codex_version, or an older one than @newest_codex.
WITH matching AS (
	SELECT h.id, h.fqdn COLLATE "C" AS name, count(*) OVER () AS total, (CASE @sort::text
		WHEN 'seen' THEN coalesce(extract(epoch FROM h.last_seen_at) * 1000000, 0)
		WHEN 'created' THEN extract(epoch FROM h.created_at) * 1000000
		WHEN 'calls' THEN h.api_calls
		WHEN 'window' THEN CASE WHEN NOT h.secure AND h.insecure_until >= @now::timestamptz THEN 0 ELSE 1 END
		-- What is not known comes first; then IPv4, then IPv6, whose first seven bytes fit into a number.
		WHEN 'address' THEN CASE family(h.bound_ip)
			WHEN 4 THEN ('x' || encode(substring(inet_send(h.bound_ip) FROM 5), 'hex'))::bit(32)::bigint
			WHEN 6 THEN (1::bigint << 56) + ('x' || encode(substring(inet_send(h.bound_ip) FROM 5 FOR 7), 'hex'))::bit(56)::bigint
			ELSE -1 END
		WHEN 'codex' THEN v.number
		WHEN 'cdx' THEN v.number
		ELSE 0 END)::bigint AS number
	FROM host h JOIN account a ON a.id = h.account_id LEFT JOIN generation g ON g.account_id = a.id AND g.number = a.generation
		CROSS JOIN LATERAL (SELECT CASE @sort WHEN 'codex' THEN h.client_version WHEN 'cdx' THEN h.wrapper_version END AS version) r
		CROSS JOIN LATERAL (SELECT CASE WHEN r.version ~ '^[0-9]{1,6}\.[0-9]{1,6}\.[0-9]'
			THEN split_part(r.version, '.', 1)::bigint * 1000000000000 + split_part(r.version, '.', 2)::bigint * 1000000
				+ substring(split_part(r.version, '.', 3) FROM '^[0-9]{1,6}')::bigint
			ELSE -1 END AS number) v
	WHERE h.deleted_at IS NULL
		AND (@search::text = '' OR strpos(h.fqdn, lower(@search)) > 0 OR strpos(lower(h.note), lower(@search)) > 0 OR strpos(host(h.bound_ip), lower(@search)) > 0
			OR strpos(lower(h.client_version), lower(@search)) > 0 OR strpos(lower(h.wrapper_version), lower(@search)) > 0)
		AND (sqlc.narg('status')::text IS NULL OR h.status = sqlc.narg('status') AND (h.expires_at IS NULL OR h.expires_at > @now::timestamptz))
		AND (sqlc.narg('expired')::boolean IS NULL OR coalesce(h.expires_at <= @now, false) = sqlc.narg('expired'))
		AND (sqlc.narg('behind')::boolean IS NULL OR coalesce(h.auth_digest <> g.digest, false) = sqlc.narg('behind'))
		AND (sqlc.narg('secure')::boolean IS NULL OR h.secure = sqlc.narg('secure'))
		AND (sqlc.narg('roaming')::boolean IS NULL OR h.roaming = sqlc.narg('roaming'))
		AND (sqlc.narg('vip')::boolean IS NULL OR h.vip = sqlc.narg('vip'))
		AND (sqlc.narg('never_seen')::boolean IS NULL OR (h.last_seen_at IS NULL) = sqlc.narg('never_seen'))
		AND (sqlc.narg('window_open')::boolean IS NULL OR (NOT h.secure AND coalesce(h.insecure_until >= @now, false)) = sqlc.narg('window_open'))
		AND (sqlc.narg('outdated')::boolean IS NULL OR sqlc.narg('outdated') = (
			coalesce(h.wrapper_version <> nullif(@cdx_version::text, ''), false)
			OR coalesce(h.client_version <> coalesce(h.client_version_pin, nullif(@codex_version::text, '')), false)
			OR (h.client_version_pin IS NULL AND coalesce(
				CASE WHEN h.client_version ~ '^[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}$' THEN string_to_array(h.client_version, '.')::bigint[] END
					< string_to_array(nullif(@newest_codex::text, ''), '.')::bigint[], false))))
		AND h.labels @> @labels::jsonb
), page AS (
	SELECT m.id, m.number, m.total, row_number() OVER (
		ORDER BY CASE WHEN NOT @descending::boolean THEN m.number END, CASE WHEN NOT @descending THEN m.name END, m.number DESC, m.name DESC) AS rank
	FROM matching m
	WHERE NOT @past::boolean
		OR CASE WHEN @descending THEN (m.number, m.name) < (@number::bigint, @name::text) ELSE (m.number, m.name) > (@number, @name) END
	ORDER BY rank LIMIT @max
)
SELECT sqlc.embed(host), page.number, page.total FROM page JOIN host ON host.id = page.id ORDER BY page.rank;

-- name: HostHolders :one
-- HostHolders counts the hosts, and those that are known to have the login of this digest.
SELECT count(*) AS hosts, count(*) FILTER (WHERE auth_digest = @auth_digest) AS holders FROM host WHERE deleted_at IS NULL;

-- name: HostCount :one
SELECT count(*) FROM host WHERE deleted_at IS NULL;

-- name: HostBindIP :one
-- HostBindIP pins the host to an address, if it may be: on first use, within the network of @bits bits it is pinned to
-- (then the pin stays), when it may move, or when it leaves an IPv6 address because it is to use IPv4 only. Two first contacts racing cannot both win: the second waits
-- for the row and then sees the binding. No row: the key is pinned elsewhere, the address is outside the host's
-- networks, or the key is no longer this host's. It is a contact like every other: see HostTouch.
WITH before AS (
	SELECT h.id, h.bound_ip, h.bound_ip IS NOT NULL AND family(h.bound_ip) = family(@ip::inet)
		AND network(set_masklen(h.bound_ip, @bits::integer)) = network(set_masklen(@ip::inet, @bits::integer)) AS here
	FROM host h WHERE h.id = @id AND h.key_sha256 = @key_sha256 AND h.deleted_at IS NULL FOR UPDATE
)
UPDATE host SET bound_ip = CASE WHEN before.here THEN before.bound_ip ELSE @ip::inet END,
	updated_at = @now::timestamptz, last_seen_at = @now::timestamptz,
	expires_at = CASE WHEN expires_at IS NULL THEN NULL ELSE greatest(expires_at, @expires_at::timestamptz) END
FROM before
WHERE host.id = before.id
	AND (cardinality(host.allow_from) = 0 OR @ip::inet <<= ANY (host.allow_from))
	AND (before.bound_ip IS NULL OR before.here OR host.roaming OR cardinality(host.allow_from) > 0
		OR (host.force_ipv4 AND family(before.bound_ip) = 6 AND family(@ip::inet) = 4))
RETURNING sqlc.embed(host), before.bound_ip AS previous_ip, before.here::boolean AS here;

-- name: HostTouch :exec
-- HostTouch records a contact and, on a temporary host, moves its expiry on.
UPDATE host SET last_seen_at = @now::timestamptz,
	expires_at = CASE WHEN expires_at IS NULL THEN NULL ELSE greatest(expires_at, @expires_at::timestamptz) END
WHERE id = @id;

-- name: HostCall :one
-- HostCall records a call for the credential and decides an insecure host's window in the same statement: open, it is
-- moved on (never shortened); closed, the host may still come in during the grace. No row: neither, or the host or its key
-- is gone, or switched off.
UPDATE host SET
	client_version = @client_version::text, wrapper_version = @wrapper_version::text,
	api_calls = api_calls + 1, updated_at = @now::timestamptz, last_seen_at = @now::timestamptz,
	insecure_until = CASE
		WHEN secure OR insecure_until IS NULL OR insecure_until < @now::timestamptz THEN insecure_until
		ELSE greatest(insecure_until, @window_end::timestamptz) END
WHERE id = @id AND key_sha256 = @key_sha256 AND deleted_at IS NULL AND status = 'active'
	AND (secure OR insecure_until >= @now::timestamptz OR grace_until >= @now::timestamptz)
RETURNING *;

-- name: HostHold :one
-- HostHold keeps the host, its API key, its status and its rights as they are until the transaction ends: who changes them
-- waits, and what was decided by the old ones is done by then. No row: the host or this key is gone.
SELECT status, may_store FROM host WHERE id = @id AND key_sha256 = @key_sha256 AND deleted_at IS NULL FOR NO KEY UPDATE;

-- name: HostSynced :execrows
-- HostSynced records which generation the host is known to have. 0 rows: the host or this key is gone.
UPDATE host SET last_refresh = @last_refresh::text, auth_digest = @auth_digest WHERE id = @id AND key_sha256 = @key_sha256 AND deleted_at IS NULL;

-- name: HostLock :one
-- HostLock keeps a host as it is until the transaction ends, by its present API key or the next. No row: the host or this
-- key is gone.
SELECT * FROM host WHERE id = @id AND (key_sha256 = @key_sha256 OR next_key_sha256 = @key_sha256) AND deleted_at IS NULL FOR UPDATE;

-- name: HostDelete :one
-- HostDelete removes a host with everything that belongs to it; audit entries stay.
DELETE FROM host WHERE id = @id RETURNING fqdn;

-- name: HostUpdate :one
-- HostUpdate changes what is not NULL; an empty model or effort is none.
UPDATE host SET
	status = coalesce(sqlc.narg('status'), status), secure = coalesce(sqlc.narg('secure'), secure),
	vip = coalesce(sqlc.narg('vip'), vip), roaming = coalesce(sqlc.narg('roaming'), roaming),
	may_store = coalesce(sqlc.narg('may_store'), may_store), allow_from = coalesce(sqlc.narg('allow_from')::cidr[], allow_from),
	window_minutes = coalesce(sqlc.narg('window_minutes')::smallint, window_minutes),
	client_version_pin = CASE WHEN @set_pin::boolean THEN sqlc.narg('client_version_pin')::text ELSE client_version_pin END,
	force_ipv4 = coalesce(sqlc.narg('force_ipv4'), force_ipv4),
	model_override = nullif(coalesce(sqlc.narg('model_override')::text, model_override), ''),
	reasoning_effort_override = nullif(coalesce(sqlc.narg('reasoning_effort_override')::text, reasoning_effort_override), ''),
	labels = coalesce(sqlc.narg('labels')::jsonb, labels), note = coalesce(sqlc.narg('note'), note),
	bound_ip = CASE WHEN @unbind::boolean THEN NULL ELSE bound_ip END,
	updated_at = @now::timestamptz
WHERE id = @id AND deleted_at IS NULL
RETURNING *;

-- name: HostOpenWindow :one
-- HostOpenWindow moves an insecure host's window on from where it ends, or from now. A grace of an earlier window ends: it
-- would outlast the new one.
UPDATE host SET insecure_until = greatest(insecure_until + make_interval(mins => @minutes::integer), @until::timestamptz),
	grace_until = NULL, updated_at = @now::timestamptz
WHERE id = @id AND deleted_at IS NULL AND NOT secure
RETURNING *;

-- name: HostCloseWindow :one
-- HostCloseWindow closes an insecure host's window, if it is open; until the grace ends it may still bring what it has.
-- One that is closed already is no reason for another grace.
UPDATE host SET insecure_until = NULL,
	grace_until = CASE WHEN insecure_until >= @now::timestamptz THEN @grace_until::timestamptz ELSE grace_until END,
	updated_at = @now::timestamptz
WHERE id = @id AND deleted_at IS NULL AND NOT secure
RETURNING *;

-- name: HostPrune :many
-- HostPrune marks hosts that are due as deleted: expired ones, those that never came although nothing can enrol them any
-- more, and, unless @inactive_before is NULL, those that have been silent since then. A machine that claimed its install
-- token did come, and may be switched on tomorrow. What made a host due is compared again under the lock: it may have
-- come, or been given a new key, since we looked.
WITH due AS (
	SELECT h.id, h.updated_at, h.last_seen_at, h.expires_at, CASE
		WHEN h.expires_at <= @now::timestamptz THEN 'expired'
		WHEN h.last_seen_at IS NULL AND h.expires_at IS NULL AND h.updated_at < @unprovisioned_before::timestamptz
			AND NOT EXISTS (SELECT FROM install_token t WHERE t.host_id = h.id
				AND (t.used_at IS NOT NULL OR (t.key_sealed IS NOT NULL AND t.expires_at > now())))
			THEN 'unprovisioned'
		WHEN greatest(h.last_seen_at, h.updated_at) < sqlc.narg('inactive_before')::timestamptz
			AND NOT EXISTS (SELECT FROM install_token t WHERE t.host_id = h.id AND t.key_sealed IS NOT NULL AND t.expires_at > now())
			THEN 'inactive' END AS why
	FROM host h WHERE h.deleted_at IS NULL
), batch AS (
	SELECT d.* FROM host l JOIN due d ON d.id = l.id WHERE d.why IS NOT NULL LIMIT @max FOR UPDATE OF l SKIP LOCKED
)
UPDATE host SET deleted_at = @now::timestamptz, deleted_why = batch.why
FROM batch
WHERE host.id = batch.id AND host.deleted_at IS NULL
	AND (host.updated_at, host.last_seen_at, host.expires_at) IS NOT DISTINCT FROM (batch.updated_at, batch.last_seen_at, batch.expires_at)
RETURNING host.*;

-- name: HostRestore :one
-- HostRestore makes a pruned host one again, with the key it had.
UPDATE host SET deleted_at = NULL, deleted_why = NULL, updated_at = @now::timestamptz,
	expires_at = CASE WHEN expires_at > @now::timestamptz THEN expires_at END
WHERE fqdn = @fqdn AND deleted_at IS NOT NULL
RETURNING *;

-- name: HostPurge :many
-- HostPurge removes hosts that were pruned before @before.
WITH batch AS (SELECT h.id FROM host h WHERE h.deleted_at < @before::timestamptz LIMIT @max FOR UPDATE SKIP LOCKED)
DELETE FROM host USING batch WHERE host.id = batch.id
RETURNING host.id, host.fqdn;

-- name: HostIdle :many
-- HostIdle counts the hosts by the days for longer than which they have been silent, most or more of them as most. It is what
-- HostPrune goes by: hosts that it prunes for another reason, or spares however silent they are, are not counted.
WITH silent AS (
	SELECT date_part('epoch', @now::timestamptz) - date_part('epoch', greatest(h.last_seen_at, h.updated_at)) AS seconds
	FROM host h
	WHERE h.deleted_at IS NULL AND coalesce(h.expires_at > @now::timestamptz, true)
		AND NOT EXISTS (SELECT FROM install_token t WHERE t.host_id = h.id AND t.key_sealed IS NOT NULL AND t.expires_at > now())
		AND NOT (h.last_seen_at IS NULL AND h.expires_at IS NULL AND h.updated_at < @unprovisioned_before::timestamptz
			AND NOT EXISTS (SELECT FROM install_token t WHERE t.host_id = h.id AND t.used_at IS NOT NULL))
)
SELECT least(ceil(seconds / 86400)::integer - 1, @most::integer)::integer AS days, count(*) AS hosts FROM silent GROUP BY 1 ORDER BY 1;
