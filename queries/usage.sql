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

-- name: UsagePage :many
-- UsagePage is a part of what was reported, newest first: entries before one, or all; of one host, or all.
SELECT sqlc.embed(e), h.fqdn FROM usage_entry e LEFT JOIN host h ON h.id = e.host_id
WHERE (sqlc.narg('before')::bigint IS NULL OR e.id < sqlc.narg('before'))
	AND (sqlc.narg('host_id')::bigint IS NULL OR e.host_id = sqlc.narg('host_id'))
ORDER BY e.id DESC LIMIT @max;

-- name: UsageIngestPage :many
-- UsageIngestPage is a part of the reports in the order of @sort; those of equal rank are in the order of their ids.
SELECT i.id, i.host_id, i.at, i.ip, i.entries, i.total, i.input, i.output, i.cached, i.reasoning, i.cost, h.fqdn
FROM usage_ingest i LEFT JOIN host h ON h.id = i.host_id
	CROSS JOIN LATERAL (SELECT CASE @sort::text
		WHEN 'created_at' THEN extract(epoch FROM i.at) * 1000000 WHEN 'entries' THEN i.entries WHEN 'total' THEN i.total WHEN 'input' THEN i.input
		WHEN 'output' THEN i.output WHEN 'cached' THEN i.cached WHEN 'reasoning' THEN i.reasoning WHEN 'cost' THEN i.cost END AS number,
		CASE WHEN @sort = 'host' THEN h.fqdn COLLATE "C" END AS name, CASE WHEN @sort = 'client_ip' THEN i.ip END AS ip) rank
WHERE (sqlc.narg('host_id')::bigint IS NULL OR i.host_id = sqlc.narg('host_id'))
	AND (@search::text = '' OR strpos(h.fqdn, lower(@search)) > 0 OR strpos(host(i.ip), lower(@search)) > 0
		OR i.id = sqlc.narg('number')::bigint OR i.host_id = sqlc.narg('number'))
ORDER BY CASE WHEN NOT @descending::boolean THEN rank.number END, CASE WHEN @descending THEN rank.number END DESC NULLS LAST,
	CASE WHEN NOT @descending THEN rank.name END, CASE WHEN @descending THEN rank.name END DESC NULLS LAST,
	CASE WHEN NOT @descending THEN rank.ip END, CASE WHEN @descending THEN rank.ip END DESC NULLS LAST,
	CASE WHEN NOT @descending THEN i.id END, i.id DESC
LIMIT @max OFFSET @skip;

-- name: UsageIngestCount :one
-- UsageIngestCount is how many reports UsageIngestPage has parts of.
SELECT count(*) FROM usage_ingest i LEFT JOIN host h ON h.id = i.host_id
WHERE (sqlc.narg('host_id')::bigint IS NULL OR i.host_id = sqlc.narg('host_id'))
	AND (@search::text = '' OR strpos(h.fqdn, lower(@search)) > 0 OR strpos(host(i.ip), lower(@search)) > 0
		OR i.id = sqlc.narg('number')::bigint OR i.host_id = sqlc.narg('number'));

-- name: UsageFirst :one
-- UsageFirst is when the oldest report came. No row: there is none.
SELECT at FROM usage_ingest ORDER BY at LIMIT 1;

-- name: UsageDays :many
-- UsageDays adds up what was reported on each day, UTC, that has reports; priced is how many of them have a cost.
SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD')::text AS day,
	least(coalesce(sum(total), 0), 9223372036854775807)::bigint AS total, least(coalesce(sum(input), 0), 9223372036854775807)::bigint AS input,
	least(coalesce(sum(output), 0), 9223372036854775807)::bigint AS output, least(coalesce(sum(cached), 0), 9223372036854775807)::bigint AS cached,
	count(cost) AS priced, coalesce(sum(cost), 0)::double precision AS cost
FROM usage_ingest WHERE at >= @since::timestamptz GROUP BY 1 ORDER BY 1;

-- name: UsageTotals :many
-- UsageTotals adds up what was reported since each of some moments, in their order; priced is how many reports have a cost.
SELECT least(coalesce(sum(i.total), 0), 9223372036854775807)::bigint AS total, least(coalesce(sum(i.input), 0), 9223372036854775807)::bigint AS input,
	least(coalesce(sum(i.output), 0), 9223372036854775807)::bigint AS output, least(coalesce(sum(i.cached), 0), 9223372036854775807)::bigint AS cached,
	least(coalesce(sum(i.reasoning), 0), 9223372036854775807)::bigint AS reasoning, coalesce(sum(i.entries), 0)::bigint AS events,
	count(i.cost) AS priced, coalesce(sum(i.cost), 0)::double precision AS cost
FROM unnest(@since::timestamptz[]) WITH ORDINALITY AS p (since, position) LEFT JOIN usage_ingest i ON i.at >= p.since
GROUP BY p.position ORDER BY p.position;

-- name: UsageTopHost :one
-- UsageTopHost is the host that used most. No row: there is no usage of a host that is still there.
SELECT h.id, h.fqdn, least(sum(i.total), 9223372036854775807)::bigint AS total FROM usage_ingest i JOIN host h ON h.id = i.host_id
WHERE i.total IS NOT NULL GROUP BY h.id ORDER BY 3 DESC, h.id LIMIT 1;

-- name: UsageLines :many
-- UsageLines adds up the newest @newest entries by their lines.
SELECT e.line, count(*) AS events,
	least(coalesce(sum(e.total), 0), 9223372036854775807)::bigint AS total, least(coalesce(sum(e.input), 0), 9223372036854775807)::bigint AS input,
	least(coalesce(sum(e.output), 0), 9223372036854775807)::bigint AS output, least(coalesce(sum(e.cached), 0), 9223372036854775807)::bigint AS cached,
	least(coalesce(sum(e.reasoning), 0), 9223372036854775807)::bigint AS reasoning, count(e.cost) AS priced, coalesce(sum(e.cost), 0)::double precision AS cost
FROM (SELECT * FROM usage_entry ORDER BY id DESC LIMIT @newest) e
GROUP BY e.line ORDER BY 3 DESC, 4 DESC, 5 DESC, 6 DESC, e.line LIMIT @max;
