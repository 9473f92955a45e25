-- name: AuditChainCreate :exec
INSERT INTO audit_chain (name) VALUES (@name) ON CONFLICT DO NOTHING;

-- name: AuditChainLock :many
-- AuditChainLock locks the head of a chain until the transaction ends, and returns it with what the next entries need:
-- each a row id, and its details, of a JSON array, as the database is going to give them back.
WITH head AS (SELECT seq, hash FROM audit_chain WHERE name = @name FOR UPDATE)
SELECT head.seq, head.hash, nextval('audit_entry_id_seq')::bigint AS id, (d.value)::text AS details
FROM head, jsonb_array_elements(@details::jsonb) WITH ORDINALITY AS d(value, n) ORDER BY d.n;

-- name: AuditChainHold :one
-- AuditChainHold locks the head of a chain until the transaction ends: nothing is appended meanwhile.
SELECT * FROM audit_chain WHERE name = @name FOR UPDATE;

-- name: AuditChainState :one
-- AuditChainState returns the numbers of a chain's newest entry and newest checkpoint, 0 for none. It locks nothing.
SELECT c.seq, coalesce((SELECT max(p.seq) FROM audit_checkpoint p WHERE p.chain = c.name), 0)::bigint AS signed FROM audit_chain c WHERE c.name = @name;

-- name: AuditChainNames :many
SELECT name FROM audit_chain ORDER BY name;

-- name: AuditChainList :many
-- AuditChainList returns every chain of which there is anything, with its newest entry. A chain without a head has seq -1.
WITH RECURSIVE used AS ( -- from name to name: to read every entry would take longer than a statement may
	SELECT min(e.chain) AS name FROM audit_entry e
	UNION ALL SELECT (SELECT min(e.chain) FROM audit_entry e WHERE e.chain > used.name) FROM used WHERE used.name IS NOT NULL
)
SELECT n.name::text AS name, coalesce(c.seq, -1)::bigint AS seq, c.hash,
	coalesce((SELECT max(e.seq) FROM audit_entry e WHERE e.chain = n.name), 0)::bigint AS last
FROM (
	SELECT name FROM audit_chain UNION SELECT chain FROM audit_checkpoint UNION SELECT chain FROM audit_anchor
	UNION SELECT name FROM used WHERE name IS NOT NULL
) n LEFT JOIN audit_chain c ON c.name = n.name ORDER BY n.name;

-- name: AuditHeads :many
-- AuditHeads is what each chain has come to, with its newest checkpoint (signed_seq 0: none), the entry that this has signed, up to
-- where entries were retired, and since when there is one that is not signed.
SELECT c.name, c.seq, coalesce(p.seq, 0)::bigint AS signed_seq, coalesce(p.after, 0)::bigint AS signed_after, p.hash AS signed_hash,
	coalesce(CASE WHEN isfinite(p.at) THEN p.at END, 'epoch')::timestamptz AS signed_at, coalesce(p.key_id, '')::text AS signed_key,
	p.signature, e.hash AS entry_hash, coalesce(a.seq, 0)::bigint AS anchor,
	coalesce((SELECT CASE WHEN isfinite(u.at) THEN u.at END FROM audit_entry u WHERE u.chain = c.name AND u.seq = coalesce(p.seq, 0) + 1),
		'epoch')::timestamptz AS unsigned_at
FROM audit_chain c
LEFT JOIN audit_checkpoint p ON p.chain = c.name AND p.seq = (SELECT max(k.seq) FROM audit_checkpoint k WHERE k.chain = c.name)
LEFT JOIN audit_entry e ON e.chain = c.name AND e.seq = p.seq
LEFT JOIN audit_anchor a ON a.chain = c.name
ORDER BY c.name;

-- name: AuditCheckpointInsert :exec
INSERT INTO audit_checkpoint (chain, seq, after, hash, at, key_id, signature) VALUES (@chain, @seq, @after, @hash, @at, @key_id, @signature);

-- name: AuditCheckpointNewest :one
SELECT * FROM audit_checkpoint WHERE chain = @chain ORDER BY seq DESC LIMIT 1;

-- name: AuditCheckpointAfter :one
-- AuditCheckpointAfter returns the first checkpoint after an entry.
SELECT * FROM audit_checkpoint WHERE chain = @chain AND seq > @seq ORDER BY seq LIMIT 1;

-- name: AuditCheckpointAt :one
SELECT * FROM audit_checkpoint WHERE chain = @chain AND seq = @seq;

-- name: AuditCheckpointRetirable :one
-- AuditCheckpointRetirable returns the checkpoint up to which a chain that begins after an entry is to be retired next: it
-- and all before it are from before a moment, and it is not more than a batch away if that can be.
SELECT * FROM audit_checkpoint
WHERE chain = @chain AND at < @before AND seq > @after::bigint
ORDER BY seq - @after::bigint > @batch::bigint, CASE WHEN seq - @after::bigint > @batch::bigint THEN seq ELSE -seq END LIMIT 1;

-- name: AuditAnchorOf :one
SELECT * FROM audit_anchor WHERE chain = @chain;

-- name: AuditRetire :one
SELECT audit_retire(@chain::text, @upto::bigint, @signed_at::timestamptz, @signed_by::text, @signature::bytea)::bigint;
