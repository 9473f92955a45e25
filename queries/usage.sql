-- name: UsageIngestByKey :one
SELECT * FROM usage_ingest WHERE host_id = @host_id::bigint AND idempotency_key = @idempotency_key::text;

-- name: UsageIngestInsert :one
INSERT INTO usage_ingest (host_id, at, ip, entries, total, input, output, cached, reasoning, idempotency_key, body_sha256)
VALUES (@host_id::bigint, @at, @ip, @entries, @total, @input, @output, @cached, @reasoning, @idempotency_key, @body_sha256)
RETURNING id;

-- name: UsageEntryInsert :copyfrom
INSERT INTO usage_entry (ingest_id, host_id, at, line, total, input, output, cached, reasoning, model, username)
VALUES (@ingest_id, @host_id, @at, @line, @total, @input, @output, @cached, @reasoning, @model, @username);

-- name: UsageEntriesOf :many
SELECT * FROM usage_entry WHERE ingest_id = @ingest_id ORDER BY id;

-- name: UsageEntriesCount :one
-- UsageEntriesCount is how many entries a host has reported since a moment.
SELECT coalesce(sum(entries), 0)::bigint FROM usage_ingest WHERE host_id = @host_id::bigint AND at >= @since::timestamptz;

-- name: UsageEntriesSince :many
-- UsageEntriesSince is what a host has reported of late: a report without an idempotency key may be its retry.
SELECT * FROM usage_entry WHERE host_id = @host_id::bigint AND at >= @since::timestamptz ORDER BY id;

-- name: UsagePrune :execrows
-- UsagePrune deletes reports, with their entries, that are older than @before. The entries go in one statement: what adds
-- them up takes its rows in one order then.
WITH old AS MATERIALIZED (
	SELECT i.id FROM usage_ingest i WHERE i.at < @before::timestamptz LIMIT @max FOR UPDATE SKIP LOCKED
), entries AS (
	DELETE FROM usage_entry e USING old WHERE e.ingest_id = old.id
)
DELETE FROM usage_ingest i USING old WHERE i.id = old.id;

-- name: UsagePage :many
-- UsagePage is a part of what was reported: of one host or model; from a time on, up to but not at another; with a text in the
-- line. It is in the order of a number and a text, which are what @sort says and 0 and empty for any other word, then by id;
-- @past: only what comes after the entry of @number, @name and @id; @after says that of an order that is the ids' alone, for
-- which there is an index. What was not reported is less than nothing.
SELECT sqlc.embed(e), h.fqdn, rank.number::bigint AS number, rank.name::text AS name
FROM usage_entry e LEFT JOIN host h ON h.id = e.host_id
	CROSS JOIN LATERAL (SELECT (CASE @sort::text
		WHEN 'total' THEN coalesce(e.total, -1) WHEN 'input' THEN coalesce(e.input, -1) WHEN 'output' THEN coalesce(e.output, -1)
		WHEN 'cached' THEN coalesce(e.cached, -1) WHEN 'reasoning' THEN coalesce(e.reasoning, -1)
		WHEN 'cost' THEN least(coalesce(e.cost * 1000000, -1), 9223372036854775807) ELSE 0 END)::bigint AS number,
		(CASE WHEN @sort = 'host' THEN coalesce(h.fqdn, '') ELSE '' END)::text COLLATE "C" AS name) rank
WHERE (sqlc.narg('after')::bigint IS NULL OR CASE WHEN @descending::boolean THEN e.id < sqlc.narg('after') ELSE e.id > sqlc.narg('after') END)
	AND (sqlc.narg('host_id')::bigint IS NULL OR e.host_id = sqlc.narg('host_id'))
	AND (@model::text = '' OR e.model = @model)
	AND (sqlc.narg('since')::timestamptz IS NULL OR e.at >= sqlc.narg('since'))
	AND (sqlc.narg('until')::timestamptz IS NULL OR e.at < sqlc.narg('until'))
	AND (@search::text = '' OR strpos(lower(e.line), lower(@search)) > 0)
	AND (NOT @past::boolean OR CASE WHEN @descending THEN (rank.number, rank.name, e.id) < (@number::bigint, @name::text, @id::bigint)
		ELSE (rank.number, rank.name, e.id) > (@number, @name, @id) END)
ORDER BY CASE WHEN NOT @descending THEN rank.number END, CASE WHEN @descending THEN rank.number END DESC,
	CASE WHEN NOT @descending THEN rank.name END, CASE WHEN @descending THEN rank.name END DESC,
	CASE WHEN NOT @descending THEN e.id END, CASE WHEN @descending THEN e.id END DESC
LIMIT @max;

-- name: UsageIngestPage :many
-- UsageIngestPage is a part of the reports, of one host, from a time on, up to but not at another, with a text in the host's name
-- or the address. It is in the order of what @sort says, with what is unknown at the end either way, then by id; @past: only what
-- comes after the report of that rank and id. There is an index for when they came, which the list begins with.
SELECT i.id, i.host_id, i.at, i.ip, i.entries, i.total, i.input, i.output, i.cached, i.reasoning, i.cost, h.fqdn,
	rank.unknown::boolean AS unknown, rank.number::bigint AS number, rank.name::text AS name
FROM usage_ingest i LEFT JOIN host h ON h.id = i.host_id
	CROSS JOIN LATERAL (SELECT said.number IS NULL AND said.name IS NULL AS unknown,
		least(coalesce(said.number, 0), 9223372036854775807)::bigint AS number, coalesce(said.name, '')::text COLLATE "C" AS name
	FROM (SELECT CASE @sort::text
		WHEN 'entries' THEN i.entries WHEN 'total' THEN i.total WHEN 'input' THEN i.input WHEN 'output' THEN i.output
		WHEN 'cached' THEN i.cached WHEN 'reasoning' THEN i.reasoning WHEN 'cost' THEN i.cost * 1000000
		WHEN 'host' THEN NULL WHEN 'client_ip' THEN NULL ELSE 0 END AS number,
		CASE @sort WHEN 'host' THEN h.fqdn WHEN 'client_ip' THEN encode(inet_send(i.ip), 'hex') END AS name) said) rank
WHERE (sqlc.narg('host_id')::bigint IS NULL OR i.host_id = sqlc.narg('host_id'))
	AND (sqlc.narg('since')::timestamptz IS NULL OR i.at >= sqlc.narg('since'))
	AND (sqlc.narg('until')::timestamptz IS NULL OR i.at < sqlc.narg('until'))
	AND (@search::text = '' OR strpos(h.fqdn, lower(@search)) > 0 OR strpos(host(i.ip), lower(@search)) > 0
		OR i.id = sqlc.narg('wanted')::bigint OR i.host_id = sqlc.narg('wanted'))
	AND (NOT @past::boolean OR CASE
		WHEN @sort = 'created_at' AND @descending::boolean THEN (i.at, i.id) < (@at::timestamptz, @id::bigint)
		WHEN @sort = 'created_at' THEN (i.at, i.id) > (@at, @id)
		WHEN @descending THEN rank.unknown > @unknown::boolean
			OR rank.unknown = @unknown AND (rank.number, rank.name, i.id) < (@number::bigint, @name::text, @id)
		ELSE (rank.unknown, rank.number, rank.name, i.id) > (@unknown, @number, @name, @id) END)
ORDER BY CASE WHEN @sort = 'created_at' AND NOT @descending THEN i.at END, CASE WHEN @sort = 'created_at' AND @descending THEN i.at END DESC,
	rank.unknown,
	CASE WHEN NOT @descending THEN rank.number END, CASE WHEN @descending THEN rank.number END DESC,
	CASE WHEN NOT @descending THEN rank.name END, CASE WHEN @descending THEN rank.name END DESC,
	CASE WHEN NOT @descending THEN i.id END, i.id DESC
LIMIT @max OFFSET @skip;

-- name: UsageIngestNewest :many
-- UsageIngestNewest is UsageIngestPage for the order that pages have by themselves, which an index knows: the newest first,
-- from before a report on, or all.
SELECT i.id, i.host_id, i.at, i.ip, i.entries, i.total, i.input, i.output, i.cached, i.reasoning, i.cost, h.fqdn
FROM usage_ingest i LEFT JOIN host h ON h.id = i.host_id
WHERE (sqlc.narg('before_at')::timestamptz IS NULL OR (i.at, i.id) < (sqlc.narg('before_at'), sqlc.narg('before_id')::bigint))
	AND (sqlc.narg('host_id')::bigint IS NULL OR i.host_id = sqlc.narg('host_id'))
	AND (@search::text = '' OR strpos(h.fqdn, lower(@search)) > 0 OR strpos(host(i.ip), lower(@search)) > 0
		OR i.id = sqlc.narg('wanted')::bigint OR i.host_id = sqlc.narg('wanted'))
ORDER BY i.at DESC, i.id DESC LIMIT @max OFFSET @skip;

-- name: UsageIngestCount :one
-- UsageIngestCount is how many reports UsageIngestPage has parts of, at most @most.
SELECT count(*) FROM (
	SELECT FROM usage_ingest i LEFT JOIN host h ON h.id = i.host_id
	WHERE (sqlc.narg('host_id')::bigint IS NULL OR i.host_id = sqlc.narg('host_id'))
		AND (sqlc.narg('since')::timestamptz IS NULL OR i.at >= sqlc.narg('since'))
		AND (sqlc.narg('until')::timestamptz IS NULL OR i.at < sqlc.narg('until'))
		AND (@search::text = '' OR strpos(h.fqdn, lower(@search)) > 0 OR strpos(host(i.ip), lower(@search)) > 0
			OR i.id = sqlc.narg('wanted')::bigint OR i.host_id = sqlc.narg('wanted'))
	LIMIT @most
) found;

-- name: UsageIngestGet :one
SELECT i.id, i.host_id, i.at, i.ip, i.entries, i.total, i.input, i.output, i.cached, i.reasoning, i.cost, h.fqdn
FROM usage_ingest i LEFT JOIN host h ON h.id = i.host_id WHERE i.id = @id;

-- name: UsageLines :many
-- UsageLines adds up the newest @newest entries by their lines, those with a text in the line. A line is in the order of its
-- rank: what @sort says, then its total, input, output and cached, then, always the same way, of which the first entry came
-- first; @past: only those after the one of @rank and @first.
WITH sums AS (
	SELECT e.line, min(e.id)::bigint AS first, count(*) AS events,
		least(coalesce(sum(e.total), 0), 9223372036854775807)::bigint AS total, least(coalesce(sum(e.input), 0), 9223372036854775807)::bigint AS input,
		least(coalesce(sum(e.output), 0), 9223372036854775807)::bigint AS output, least(coalesce(sum(e.cached), 0), 9223372036854775807)::bigint AS cached,
		least(coalesce(sum(e.reasoning), 0), 9223372036854775807)::bigint AS reasoning, count(e.cost) AS priced, coalesce(sum(e.cost), 0)::double precision AS cost,
		least(coalesce(sum(e.cost) * 1000000, -1), 9223372036854775807)::bigint AS price
	FROM (SELECT * FROM usage_entry ORDER BY id DESC LIMIT @newest) e
	WHERE @search::text = '' OR strpos(lower(e.line), lower(@search)) > 0
	GROUP BY e.line
), ranked AS (
	SELECT s.*, ARRAY[(CASE @sort::text WHEN 'input' THEN s.input WHEN 'output' THEN s.output WHEN 'cached' THEN s.cached
		WHEN 'reasoning' THEN s.reasoning WHEN 'cost' THEN s.price WHEN 'events' THEN s.events ELSE s.total END),
		s.total, s.input, s.output, s.cached]::bigint[] AS rank FROM sums s
)
SELECT r.line, r.first, r.events, r.total, r.input, r.output, r.cached, r.reasoning, r.priced, r.cost, r.rank::bigint[] AS rank FROM ranked r
WHERE NOT @past::boolean OR CASE WHEN @descending::boolean THEN r.rank < @rank::bigint[] OR (r.rank = @rank AND r.first > @first::bigint)
	ELSE (r.rank, r.first) > (@rank, @first) END
ORDER BY CASE WHEN NOT @descending THEN r.rank END, CASE WHEN @descending THEN r.rank END DESC, r.first
LIMIT @max;
