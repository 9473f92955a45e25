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
	access_issued_at, access_expires_at, last_refresh, last_refresh_at, source, source_host_id, created_at)
VALUES (@id, @account_id, @number, @lineage, @digest, @body_sealed, @chatgpt_account, @access_sha256, @refresh_sha256,
	@access_issued_at, @access_expires_at, @last_refresh, @last_refresh_at, @source, @source_host_id, @now::timestamptz);

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
