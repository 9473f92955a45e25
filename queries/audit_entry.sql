-- name: AuditEntryAppend :exec
-- AuditEntryAppend adds entries, a JSON array of them in their order, to a chain whose head must be locked by
-- AuditChainLock in the same transaction. The last one's number and hash are the new head.
WITH entry AS (
	INSERT INTO audit_entry (id, at, actor_kind, actor, action, host_id, ip, request_id, details, chain, seq, prev, hash)
	OVERRIDING SYSTEM VALUE
	SELECT (e.value->>'id')::bigint, (e.value->>'at')::timestamptz, e.value->>'actor_kind', e.value->>'actor', e.value->>'action',
		(e.value->>'host_id')::bigint, (e.value->>'ip')::inet, e.value->>'request_id', e.value->'details', e.value->>'chain', (e.value->>'seq')::bigint,
		decode(e.value->>'prev', 'hex'), decode(e.value->>'hash', 'hex')
	FROM jsonb_array_elements(@entries::jsonb) AS e(value)
)
UPDATE audit_chain SET seq = @seq, hash = @hash WHERE name = @chain;

-- name: AuditEntryList :many
-- AuditEntryList returns a chain's entries after one that is named by number and row, each with the checkpoint made at it
-- if there is one. What was put into the rows by hand must not keep them from being read: hence the text and the time.
SELECT e.id, (CASE WHEN isfinite(e.at) THEN e.at ELSE 'epoch' END)::timestamptz AS at, e.actor_kind, e.actor, e.action, e.host_id,
	coalesce(abbrev(e.ip), '')::text AS ip, coalesce(e.request_id, '')::text AS request_id, e.details,
	e.seq::bigint AS seq, e.prev, e.hash,
	coalesce(c.seq, 0)::bigint AS signed_seq, coalesce(c.after, 0)::bigint AS signed_after, c.hash AS signed_hash,
	coalesce(CASE WHEN isfinite(c.at) THEN c.at END, 'epoch')::timestamptz AS signed_at,
	coalesce(c.key_id, '')::text AS signed_key, c.signature
FROM audit_entry e LEFT JOIN audit_checkpoint c ON c.chain = e.chain AND c.seq = e.seq
WHERE e.chain = @chain::text AND e.seq >= @seq::bigint AND (e.seq > @seq::bigint OR e.id > @id::bigint) ORDER BY e.seq, e.id LIMIT @max_rows;

-- name: AuditEntryListUnchained :many
-- AuditEntryListUnchained returns entries from before there were chains.
SELECT id, (CASE WHEN isfinite(at) THEN at ELSE 'epoch' END)::timestamptz AS at, actor_kind, actor, action, host_id,
	coalesce(abbrev(ip), '')::text AS ip, coalesce(request_id, '')::text AS request_id, details
FROM audit_entry WHERE chain IS NULL AND id > @after ORDER BY id LIMIT @max_rows;

-- name: AuditEntryCountUnchained :one
SELECT count(*) FROM audit_entry WHERE chain IS NULL;

-- name: AuditEntryHash :one
-- AuditEntryHash returns the hash of one entry.
SELECT hash FROM audit_entry WHERE chain = @chain::text AND seq = @seq::bigint;
