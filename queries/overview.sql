-- name: OverviewGet :one
-- OverviewGet is what there is to say about all hosts at once. A time or a text that nobody knows is the epoch or empty.
-- mean_refresh, in seconds of the epoch, is of the logins that hosts are known to have; of the versions that hosts reported,
-- only those of the form N.N.N can be compared.
WITH known AS (
	SELECT DISTINCT ON (account_id, digest) account_id, digest, last_refresh, last_refresh_at FROM generation
	ORDER BY account_id, digest, number DESC
), held AS (
	SELECT k.last_refresh, k.last_refresh_at FROM host h JOIN known k ON k.account_id = h.account_id AND k.digest = h.auth_digest WHERE h.deleted_at IS NULL
)
SELECT (SELECT count(*) FROM host WHERE deleted_at IS NULL) AS hosts,
	coalesce((SELECT CASE WHEN isfinite(e.at) THEN e.at END FROM audit_entry e ORDER BY e.id DESC LIMIT 1), 'epoch')::timestamptz AS latest_entry_at,
	coalesce((SELECT last_refresh FROM held ORDER BY last_refresh_at DESC LIMIT 1), '')::text AS last_refresh,
	coalesce((SELECT avg(extract(epoch FROM last_refresh_at)) FROM held), 0)::double precision AS mean_refresh,
	coalesce((SELECT client_version FROM host WHERE deleted_at IS NULL AND client_version ~ '^[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}$'
		ORDER BY CASE WHEN client_version ~ '^[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}$' THEN string_to_array(client_version, '.')::bigint[] END DESC LIMIT 1), '')::text AS client_version;
