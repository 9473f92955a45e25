-- name: UsageIngestByKey :one
SELECT * FROM usage_ingest WHERE host_id = @host_id::bigint AND idempotency_key = @idempotency_key::text;

-- name: UsageIngestInsert :one
INSERT INTO usage_ingest (host_id, at, ip, entries, total, input, output, cached, reasoning, idempotency_key, body_sha256)
VALUES (@host_id::bigint, @at, @ip, @entries, @total, @input, @output, @cached, @reasoning, @idempotency_key, @body_sha256)
RETURNING id;

-- name: UsageEntryInsert :copyfrom
INSERT INTO usage_entry (ingest_id, host_id, at, line, total, input, output, cached, reasoning, model)
VALUES (@ingest_id, @host_id, @at, @line, @total, @input, @output, @cached, @reasoning, @model);

-- name: UsageEntriesOf :many
SELECT * FROM usage_entry WHERE ingest_id = @ingest_id ORDER BY id;

-- name: UsageEntriesCount :one
-- UsageEntriesCount is how many entries a host has reported since a moment.
SELECT coalesce(sum(entries), 0)::bigint FROM usage_ingest WHERE host_id = @host_id::bigint AND at >= @since::timestamptz;

-- name: UsageEntriesSince :many
-- UsageEntriesSince is what a host has reported of late: a report without an idempotency key may be its retry.
SELECT * FROM usage_entry WHERE host_id = @host_id::bigint AND at >= @since::timestamptz ORDER BY id;

-- name: UsageSum :one
-- UsageSum adds up what a host used in [from, until). Counts are what hosts say, so a sum may be beyond all numbers.
SELECT least(coalesce(sum(total), 0), 9223372036854775807)::bigint AS total, least(coalesce(sum(input), 0), 9223372036854775807)::bigint AS input,
	least(coalesce(sum(output), 0), 9223372036854775807)::bigint AS output, least(coalesce(sum(cached), 0), 9223372036854775807)::bigint AS cached,
	least(coalesce(sum(reasoning), 0), 9223372036854775807)::bigint AS reasoning, count(*) AS events, coalesce(sum(cost), 0)::double precision AS cost
FROM usage_entry WHERE host_id = @host_id::bigint AND at >= @since::timestamptz AND at < @until::timestamptz;

-- name: UsagePrune :execrows
-- UsagePrune deletes reports, with their entries, that are older than @before.
DELETE FROM usage_ingest WHERE id IN (SELECT i.id FROM usage_ingest i WHERE i.at < @before::timestamptz LIMIT @max);
