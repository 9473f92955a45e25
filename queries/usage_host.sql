-- name: UsageDaysOf :many
-- UsageDaysOf adds up what one host reported on each day, UTC, that has reports of it; priced is how many of them have a cost.
SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD')::text AS day,
	least(coalesce(sum(total), 0), 9223372036854775807)::bigint AS total, least(coalesce(sum(input), 0), 9223372036854775807)::bigint AS input,
	least(coalesce(sum(output), 0), 9223372036854775807)::bigint AS output, least(coalesce(sum(cached), 0), 9223372036854775807)::bigint AS cached,
	least(coalesce(sum(reasoning), 0), 9223372036854775807)::bigint AS reasoning, coalesce(sum(entries), 0)::bigint AS events,
	count(cost) AS priced, coalesce(sum(cost), 0)::double precision AS cost
FROM usage_ingest WHERE host_id = @host_id::bigint AND at >= @since::timestamptz GROUP BY 1 ORDER BY 1;

-- name: UsageOf :one
-- UsageOf is since when one host reports (the epoch: it never did), and what it used in all.
SELECT coalesce(min(at), 'epoch')::timestamptz AS first, count(*) AS reports, least(coalesce(sum(total), 0), 9223372036854775807)::bigint AS total
FROM usage_ingest WHERE host_id = @host_id::bigint;
