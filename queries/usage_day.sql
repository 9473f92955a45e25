-- name: UsageDayFirst :one
-- UsageDayFirst is the first day that there is usage of. No row: there is none.
SELECT day FROM usage_day ORDER BY day LIMIT 1;

-- name: UsageDays :many
-- UsageDays adds up each day that has usage from @since to @until, both included; of one model if it is told. priced is how many
-- of the events have a cost, counted how many have a number of tokens.
SELECT day, coalesce(sum(entries), 0)::bigint AS events, coalesce(sum(counted), 0)::bigint AS counted, coalesce(sum(priced), 0)::bigint AS priced,
	least(coalesce(sum(total), 0), 9223372036854775807)::bigint AS total, least(coalesce(sum(input), 0), 9223372036854775807)::bigint AS input,
	least(coalesce(sum(output), 0), 9223372036854775807)::bigint AS output, least(coalesce(sum(cached), 0), 9223372036854775807)::bigint AS cached,
	least(coalesce(sum(reasoning), 0), 9223372036854775807)::bigint AS reasoning, coalesce(sum(cost), 0)::double precision AS cost
FROM usage_day WHERE day BETWEEN @since::date AND @until::date AND (sqlc.narg('model')::text IS NULL OR model = sqlc.narg('model'))
GROUP BY day ORDER BY day;

-- name: UsageHostDays :many
-- UsageHostDays is UsageDays of a host, of a user, or of both.
SELECT day, coalesce(sum(entries), 0)::bigint AS events, coalesce(sum(counted), 0)::bigint AS counted, coalesce(sum(priced), 0)::bigint AS priced,
	least(coalesce(sum(total), 0), 9223372036854775807)::bigint AS total, least(coalesce(sum(input), 0), 9223372036854775807)::bigint AS input,
	least(coalesce(sum(output), 0), 9223372036854775807)::bigint AS output, least(coalesce(sum(cached), 0), 9223372036854775807)::bigint AS cached,
	least(coalesce(sum(reasoning), 0), 9223372036854775807)::bigint AS reasoning, coalesce(sum(cost), 0)::double precision AS cost
FROM usage_host_day WHERE day BETWEEN @since::date AND @until::date AND (sqlc.narg('model')::text IS NULL OR model = sqlc.narg('model'))
	AND (sqlc.narg('host_id')::bigint IS NULL OR host_id = sqlc.narg('host_id')) AND (sqlc.narg('username')::text IS NULL OR username = sqlc.narg('username'))
GROUP BY day ORDER BY day;

-- name: UsageTotals :many
-- UsageTotals adds up what was used since each of some moments, in their order: days, less what there was before the moment on the
-- first of them. Of a midnight, UTC, no entry is read.
SELECT coalesce(sum(d.entries), 0)::bigint AS events, coalesce(sum(d.counted), 0)::bigint AS counted, coalesce(sum(d.priced), 0)::bigint AS priced,
	least(coalesce(sum(d.total), 0), 9223372036854775807)::bigint AS total, least(coalesce(sum(d.input), 0), 9223372036854775807)::bigint AS input,
	least(coalesce(sum(d.output), 0), 9223372036854775807)::bigint AS output, least(coalesce(sum(d.cached), 0), 9223372036854775807)::bigint AS cached,
	least(coalesce(sum(d.reasoning), 0), 9223372036854775807)::bigint AS reasoning, coalesce(sum(d.cost), 0)::double precision AS cost
FROM unnest(@since::timestamptz[]) WITH ORDINALITY AS p (since, position) LEFT JOIN LATERAL (
	SELECT entries, counted, priced, total, input, output, cached, reasoning, cost FROM usage_day WHERE day >= (p.since AT TIME ZONE 'UTC')::date
	UNION ALL
	SELECT -1, CASE WHEN coalesce(e.total, e.input, e.output, e.cached, e.reasoning) IS NOT NULL THEN -1 END, CASE WHEN e.cost IS NOT NULL THEN -1 END,
		-e.total::numeric, -e.input::numeric, -e.output::numeric, -e.cached::numeric, -e.reasoning::numeric, -e.cost
	FROM usage_entry e WHERE p.since > date_trunc('day', p.since, 'UTC') AND e.at >= date_trunc('day', p.since, 'UTC') AND e.at < p.since
) d ON true
GROUP BY p.position ORDER BY p.position;

-- name: UsageSum :one
-- UsageSum adds up what a host used on the days from @since to before @until. Counts are what hosts say, so a sum may be
-- beyond all numbers.
SELECT coalesce(sum(entries), 0)::bigint AS events, coalesce(sum(counted), 0)::bigint AS counted, coalesce(sum(priced), 0)::bigint AS priced,
	least(coalesce(sum(total), 0), 9223372036854775807)::bigint AS total, least(coalesce(sum(input), 0), 9223372036854775807)::bigint AS input,
	least(coalesce(sum(output), 0), 9223372036854775807)::bigint AS output, least(coalesce(sum(cached), 0), 9223372036854775807)::bigint AS cached,
	least(coalesce(sum(reasoning), 0), 9223372036854775807)::bigint AS reasoning, coalesce(sum(cost), 0)::double precision AS cost
FROM usage_host_day WHERE host_id = @host_id AND day >= @since::date AND day < @until::date;

-- name: UsageTopHost :one
-- UsageTopHost is the host that used most. No row: there is no usage of a host that is still there.
SELECT h.id, h.fqdn, least(sum(d.total), 9223372036854775807)::bigint AS total FROM usage_host_day d JOIN host h ON h.id = d.host_id
WHERE d.counted > 0 GROUP BY h.id ORDER BY 3 DESC, h.id LIMIT 1;

-- name: UsageModels :many
-- UsageModels adds up models from @since to @until, and, in before_…, from @before to the day before @since: a part of them in
-- the order of @sort, and in groups how many there are.
SELECT g.*, count(*) OVER () AS groups FROM (
	SELECT s.model AS name, 0::bigint AS host_id,
	coalesce(sum(s.entries) FILTER (WHERE s.day >= @since::date), 0)::bigint AS events,
	coalesce(sum(s.counted) FILTER (WHERE s.day >= @since::date), 0)::bigint AS counted,
	coalesce(sum(s.priced) FILTER (WHERE s.day >= @since::date), 0)::bigint AS priced,
	least(coalesce(sum(s.total) FILTER (WHERE s.day >= @since::date), 0), 9223372036854775807)::bigint AS total,
	least(coalesce(sum(s.input) FILTER (WHERE s.day >= @since::date), 0), 9223372036854775807)::bigint AS input,
	least(coalesce(sum(s.output) FILTER (WHERE s.day >= @since::date), 0), 9223372036854775807)::bigint AS output,
	least(coalesce(sum(s.cached) FILTER (WHERE s.day >= @since::date), 0), 9223372036854775807)::bigint AS cached,
	least(coalesce(sum(s.reasoning) FILTER (WHERE s.day >= @since::date), 0), 9223372036854775807)::bigint AS reasoning,
	coalesce(sum(s.cost) FILTER (WHERE s.day >= @since::date), 0)::double precision AS cost,
	coalesce(sum(s.entries) FILTER (WHERE s.day < @since::date), 0)::bigint AS before_events,
	coalesce(sum(s.priced) FILTER (WHERE s.day < @since::date), 0)::bigint AS before_priced,
	least(coalesce(sum(s.total) FILTER (WHERE s.day < @since::date), 0), 9223372036854775807)::bigint AS before_total,
	coalesce(sum(s.cost) FILTER (WHERE s.day < @since::date), 0)::double precision AS before_cost
	FROM usage_day s WHERE s.day BETWEEN @before::date AND @until::date AND (sqlc.narg('model')::text IS NULL OR s.model = sqlc.narg('model'))
	GROUP BY s.model HAVING sum(s.entries) FILTER (WHERE s.day >= @since::date) > 0
) g
CROSS JOIN LATERAL (SELECT CASE @sort::text
		WHEN 'input' THEN g.input WHEN 'cached' THEN g.cached WHEN 'output' THEN g.output WHEN 'reasoning' THEN g.reasoning WHEN 'total' THEN g.total
		WHEN 'events' THEN g.events WHEN 'cost' THEN CASE WHEN g.priced > 0 THEN g.cost END END AS number,
		CASE WHEN @sort = 'name' THEN g.name END AS name) rank
ORDER BY CASE WHEN NOT @descending::boolean THEN rank.number END, CASE WHEN @descending THEN rank.number END DESC NULLS LAST,
	CASE WHEN NOT @descending THEN rank.name END, CASE WHEN @descending THEN rank.name END DESC, g.name
LIMIT @max OFFSET @skip;

-- name: UsageGroups :many
-- UsageGroups is UsageModels by @part, which is host, model or user, and of a host, a model or a user that is told. The name of a
-- host that is gone is empty, and its id 0.
SELECT g.*, count(*) OVER () AS groups FROM (
	SELECT (CASE @part::text WHEN 'model' THEN s.model WHEN 'user' THEN s.username ELSE coalesce(h.fqdn, '') END)::text AS name,
	(CASE WHEN @part = 'host' THEN s.host_id ELSE 0 END)::bigint AS host_id,
	coalesce(sum(s.entries) FILTER (WHERE s.day >= @since::date), 0)::bigint AS events,
	coalesce(sum(s.counted) FILTER (WHERE s.day >= @since::date), 0)::bigint AS counted,
	coalesce(sum(s.priced) FILTER (WHERE s.day >= @since::date), 0)::bigint AS priced,
	least(coalesce(sum(s.total) FILTER (WHERE s.day >= @since::date), 0), 9223372036854775807)::bigint AS total,
	least(coalesce(sum(s.input) FILTER (WHERE s.day >= @since::date), 0), 9223372036854775807)::bigint AS input,
	least(coalesce(sum(s.output) FILTER (WHERE s.day >= @since::date), 0), 9223372036854775807)::bigint AS output,
	least(coalesce(sum(s.cached) FILTER (WHERE s.day >= @since::date), 0), 9223372036854775807)::bigint AS cached,
	least(coalesce(sum(s.reasoning) FILTER (WHERE s.day >= @since::date), 0), 9223372036854775807)::bigint AS reasoning,
	coalesce(sum(s.cost) FILTER (WHERE s.day >= @since::date), 0)::double precision AS cost,
	coalesce(sum(s.entries) FILTER (WHERE s.day < @since::date), 0)::bigint AS before_events,
	coalesce(sum(s.priced) FILTER (WHERE s.day < @since::date), 0)::bigint AS before_priced,
	least(coalesce(sum(s.total) FILTER (WHERE s.day < @since::date), 0), 9223372036854775807)::bigint AS before_total,
	coalesce(sum(s.cost) FILTER (WHERE s.day < @since::date), 0)::double precision AS before_cost
	FROM usage_host_day s LEFT JOIN host h ON h.id = s.host_id AND @part = 'host'
	WHERE s.day BETWEEN @before::date AND @until::date AND (sqlc.narg('model')::text IS NULL OR s.model = sqlc.narg('model'))
		AND (sqlc.narg('host_id')::bigint IS NULL OR s.host_id = sqlc.narg('host_id')) AND (sqlc.narg('username')::text IS NULL OR s.username = sqlc.narg('username'))
	GROUP BY 1, 2 HAVING sum(s.entries) FILTER (WHERE s.day >= @since::date) > 0
) g
CROSS JOIN LATERAL (SELECT CASE @sort::text
		WHEN 'input' THEN g.input WHEN 'cached' THEN g.cached WHEN 'output' THEN g.output WHEN 'reasoning' THEN g.reasoning WHEN 'total' THEN g.total
		WHEN 'events' THEN g.events WHEN 'cost' THEN CASE WHEN g.priced > 0 THEN g.cost END END AS number,
		CASE WHEN @sort = 'name' THEN g.name END AS name) rank
ORDER BY CASE WHEN NOT @descending::boolean THEN rank.number END, CASE WHEN @descending THEN rank.number END DESC NULLS LAST,
	CASE WHEN NOT @descending THEN rank.name END, CASE WHEN @descending THEN rank.name END DESC, g.name
LIMIT @max OFFSET @skip;
