-- name: GenerationCurrent :one
-- GenerationCurrent is the canonical generation of an account. No row: there is none yet.
SELECT g.* FROM generation g JOIN account a ON a.id = g.account_id AND a.generation = g.number
WHERE a.id = @account_id;

-- name: GenerationWas :one
-- GenerationWas reports whether a file, or another one with the same tokens, has been canonical before.
SELECT EXISTS (
	SELECT FROM generation WHERE account_id = @account_id AND (digest = @digest
		OR (access_sha256 = sqlc.narg('access_sha256')::bytea AND refresh_sha256 IS NOT DISTINCT FROM sqlc.narg('refresh_sha256')::bytea))
);

-- name: GenerationInsert :exec
INSERT INTO generation (id, account_id, number, lineage, digest, body_sealed, chatgpt_account, access_sha256, refresh_sha256,
	access_issued_at, access_expires_at, last_refresh, last_refresh_at, source, source_host_id, rolled_back_to, created_at)
VALUES (@id, @account_id, @number, @lineage, @digest, @body_sealed, @chatgpt_account, @access_sha256, @refresh_sha256,
	@access_issued_at, @access_expires_at, @last_refresh, @last_refresh_at, @source, @source_host_id, @rolled_back_to, @now::timestamptz);

-- name: GenerationPrune :execrows
-- GenerationPrune deletes generations that are not among the newest @keep of their account and are either older than
-- @keep_after or, of those that hosts brought, not among the newest @most: a host must not be able to push out what admins
-- brought. The canonical one always stays.
DELETE FROM generation WHERE id IN (
	SELECT g.id FROM generation g JOIN account a ON a.id = g.account_id
		JOIN LATERAL (SELECT max(n.number) AS number FROM generation n WHERE n.account_id = g.account_id) newest ON true
	WHERE g.number <> a.generation AND g.number <= newest.number - @keep::bigint
		AND (g.created_at < @keep_after::timestamptz OR (g.source = 'host' AND g.number <= newest.number - @most::bigint))
	LIMIT @max
);

-- name: GenerationByNumber :one
SELECT * FROM generation WHERE account_id = @account_id AND number = @number;

-- name: GenerationNewestOfLineage :one
-- GenerationNewestOfLineage is the generation that holds the newest refresh token of a lineage. No row: it has none.
SELECT * FROM generation WHERE account_id = @account_id AND lineage = @lineage AND refresh_sha256 IS NOT NULL
ORDER BY number DESC LIMIT 1;

-- name: GenerationList :many
-- GenerationList lists what was canonical, by number, without what it holds, and how many hosts have each: those beyond one, or
-- all; with a text in the digest, the ChatGPT account or the name of the host that brought it.
WITH held AS MATERIALIZED (
	SELECT h.auth_digest, count(*) AS holders FROM host h
	WHERE h.account_id = @account_id AND h.deleted_at IS NULL AND h.auth_digest IS NOT NULL GROUP BY h.auth_digest
)
SELECT g.id, g.number, g.lineage, g.digest, g.chatgpt_account, (g.refresh_sha256 IS NOT NULL)::boolean AS has_refresh_token, g.access_issued_at,
	g.access_expires_at, g.last_refresh, g.source, g.source_host_id, s.fqdn AS source_fqdn, g.rolled_back_to, g.created_at,
	(g.number = a.generation)::boolean AS current, coalesce(held.holders, 0)::bigint AS holders
FROM generation g JOIN account a ON a.id = g.account_id LEFT JOIN host s ON s.id = g.source_host_id LEFT JOIN held ON held.auth_digest = g.digest
WHERE g.account_id = @account_id
	AND (@after::bigint = 0 OR CASE WHEN @ascending::boolean THEN g.number > @after ELSE g.number < @after END)
	AND (@source::text = '' OR g.source = @source::text)
	AND (@source_host_id::bigint = 0 OR g.source_host_id = @source_host_id::bigint)
	AND (sqlc.narg('lineage')::uuid IS NULL OR g.lineage = sqlc.narg('lineage')::uuid)
	AND (@number::bigint = 0 OR g.number = @number::bigint)
	AND (@search::text = '' OR strpos(lower(concat_ws(E'\n', encode(g.digest, 'hex'), g.chatgpt_account, s.fqdn)), lower(@search)) > 0)
ORDER BY CASE WHEN @ascending THEN g.number END, CASE WHEN NOT @ascending THEN g.number END DESC LIMIT @max;

-- name: GenerationReceivers :many
-- GenerationReceivers lists the hosts that were given a generation, by name, and whether they are known to have it still.
SELECT h.id, h.fqdn, max(d.delivered_at)::timestamptz AS delivered_at, bool_or(h.auth_digest IS NOT DISTINCT FROM g.digest)::boolean AS holds
FROM delivery d JOIN host h ON h.id = d.host_id JOIN generation g ON g.id = d.generation_id
WHERE g.account_id = @account_id AND g.number = @number AND h.deleted_at IS NULL AND h.fqdn > @after::text
GROUP BY h.id, h.fqdn ORDER BY h.fqdn LIMIT @max;
