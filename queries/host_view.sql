-- name: HostBefore :one
-- HostBefore keeps a host as it is until the transaction ends: what is recorded as having been before a change, was.
SELECT * FROM host WHERE id = @id AND deleted_at IS NULL FOR NO KEY UPDATE;

-- name: HostClear :one
-- HostClear forgets which generation a host is known to have.
UPDATE host SET last_refresh = NULL, auth_digest = NULL, updated_at = @now::timestamptz WHERE id = @id AND deleted_at IS NULL
RETURNING *;

-- name: HostDetails :many
-- HostDetails is what else there is to say about some hosts: the digest that their account's login has (empty: there is
-- none), those of the last three logins that each was given, its newest usage entry (null: none), the users that were seen
-- last.
SELECT h.id, coalesce(g.digest, '')::bytea AS canonical_digest, coalesce((
	SELECT array_agg(r.digest ORDER BY r.at DESC) FROM (
		SELECT was.digest, max(d.delivered_at) AS at
		FROM (SELECT generation_id, delivered_at FROM delivery WHERE host_id = h.id ORDER BY delivered_at DESC LIMIT 50) d
			JOIN generation was ON was.id = d.generation_id
		GROUP BY was.digest ORDER BY at DESC LIMIT 3) r
), '{}')::bytea[] AS recent_digests, coalesce((
	SELECT to_jsonb(u) FROM usage_entry u WHERE u.host_id = h.id ORDER BY u.at DESC, u.id DESC LIMIT 1
), 'null')::jsonb AS last_usage, coalesce((
	SELECT jsonb_agg(jsonb_build_object('username', s.username, 'hostname', s.hostname, 'first_seen', s.first_seen_at, 'last_seen', s.last_seen_at)
		ORDER BY s.username COLLATE "C")
	FROM (SELECT * FROM host_user WHERE host_id = h.id ORDER BY last_seen_at DESC, username LIMIT @max_users) s
), '[]')::jsonb AS users
FROM host h JOIN account a ON a.id = h.account_id LEFT JOIN generation g ON g.account_id = a.id AND g.number = a.generation
WHERE h.id = ANY (@hosts::bigint[]);

-- name: HostCounts :one
-- HostCounts counts the hosts by what matters about them; a host may be counted several times. What outdated means is said in
-- HostPage; behind: it is known to have a login, and not the one that its account has now.
SELECT count(*) AS hosts,
	count(*) FILTER (WHERE h.status = 'active' AND coalesce(h.expires_at > @now::timestamptz, true)) AS active,
	count(*) FILTER (WHERE h.status = 'disabled') AS disabled,
	count(*) FILTER (WHERE h.expires_at <= @now) AS expired,
	count(*) FILTER (WHERE h.secure) AS secure,
	count(*) FILTER (WHERE h.roaming) AS roaming,
	count(*) FILTER (WHERE h.vip) AS vip,
	count(*) FILTER (WHERE h.last_seen_at IS NULL) AS never_seen,
	count(*) FILTER (WHERE h.last_seen_at >= @since::timestamptz) AS seen_since,
	count(*) FILTER (WHERE NOT h.secure AND h.insecure_until >= @now) AS window_open,
	count(*) FILTER (WHERE h.auth_digest IS NOT NULL) AS holding,
	count(*) FILTER (WHERE h.auth_digest IS NOT NULL AND g.digest IS NOT NULL AND h.auth_digest <> g.digest) AS behind,
	count(*) FILTER (WHERE coalesce(h.wrapper_version <> nullif(@cdx_version::text, ''), false)
		OR coalesce(h.client_version <> coalesce(h.client_version_pin, nullif(@codex_version::text, '')), false)) AS outdated
FROM host h JOIN account a ON a.id = h.account_id LEFT JOIN generation g ON g.account_id = a.id AND g.number = a.generation
WHERE h.deleted_at IS NULL;

-- name: HostVersions :many
-- HostVersions counts the hosts by the version of Codex, or of cdx, that they last came with; those that most have come first.
SELECT v.program::text AS program, v.version::text AS version, count(*) AS hosts
FROM host h CROSS JOIN LATERAL (VALUES ('codex', h.client_version), ('cdx', h.wrapper_version)) AS v (program, version)
WHERE h.deleted_at IS NULL AND v.version IS NOT NULL
GROUP BY 1, 2 ORDER BY 1, 3 DESC, 2 DESC;

-- name: HostBeside :many
-- HostBeside is what a list shows of some hosts besides their rows: the digest and the number of the login that their account has
-- (empty, 0: there is none), the number of the one that each is known to have (0: none, or one that is kept no more), how many
-- users each has, whether a machine has taken its install token, and until when one can (the year 1: there is none to be taken).
SELECT h.id, coalesce(g.digest, '')::bytea AS canonical_digest, coalesce(g.number, 0)::bigint AS canonical, coalesce((
	SELECT max(was.number) FROM generation was WHERE was.account_id = h.account_id AND was.digest = h.auth_digest
), 0)::bigint AS held, (SELECT count(*) FROM host_user u WHERE u.host_id = h.id) AS users,
	EXISTS (SELECT FROM install_token t WHERE t.host_id = h.id AND t.used_at IS NOT NULL) AS installed, coalesce((
	SELECT max(t.expires_at) FROM install_token t WHERE t.host_id = h.id AND t.key_sealed IS NOT NULL AND t.expires_at > @now::timestamptz
), '0001-01-01 00:00Z')::timestamptz AS install_until
FROM host h JOIN account a ON a.id = h.account_id LEFT JOIN generation g ON g.account_id = a.id AND g.number = a.generation
WHERE h.id = ANY (@hosts::bigint[]);

-- name: HostsByID :many
SELECT * FROM host WHERE id = ANY (@hosts::bigint[]) AND deleted_at IS NULL ORDER BY fqdn COLLATE "C";

-- name: HostNames :many
-- HostNames are the names of hosts, pruned ones included.
SELECT h.id, h.fqdn FROM host h WHERE h.id = ANY (@hosts::bigint[]);
