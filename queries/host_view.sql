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

-- name: HostNames :many
-- HostNames are the names of hosts, pruned ones included.
SELECT h.id, h.fqdn FROM host h WHERE h.id = ANY (@hosts::bigint[]);
