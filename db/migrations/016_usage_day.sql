-- What is shown about usage is read from sums by day, which are exact at every moment: whatever changes usage_entry changes
-- them in the same transaction.

ALTER TABLE usage_entry ADD COLUMN username text CHECK (octet_length(username) BETWEEN 1 AND 255);
COMMENT ON COLUMN usage_entry.username IS 'System user who ran cdx on the host. NULL: the report did not say.';

-- Counts are what hosts say, so a sum may be beyond all numbers of 64 bits; and it must come down again exactly when reports
-- are pruned. Hence numeric.
CREATE TABLE usage_day (
	day date NOT NULL,
	model text NOT NULL,
	entries bigint NOT NULL,
	counted bigint NOT NULL,
	priced bigint NOT NULL,
	total numeric NOT NULL,
	input numeric NOT NULL,
	output numeric NOT NULL,
	cached numeric NOT NULL,
	reasoning numeric NOT NULL,
	cost numeric NOT NULL,
	PRIMARY KEY (day, model)
);
COMMENT ON TABLE usage_day IS 'Sums of usage_entry by day, UTC, and model. A few rows for each day, however many hosts there are.';
COMMENT ON COLUMN usage_day.model IS 'Empty: the entries did not say.';
COMMENT ON COLUMN usage_day.counted IS 'Of the entries, those that have a number of tokens at all.';
COMMENT ON COLUMN usage_day.priced IS 'Of the entries, those that have a cost.';

CREATE TABLE usage_host_day (
	day date NOT NULL,
	host_id bigint NOT NULL,
	model text NOT NULL,
	username text NOT NULL,
	entries bigint NOT NULL,
	counted bigint NOT NULL,
	priced bigint NOT NULL,
	total numeric NOT NULL,
	input numeric NOT NULL,
	output numeric NOT NULL,
	cached numeric NOT NULL,
	reasoning numeric NOT NULL,
	cost numeric NOT NULL,
	PRIMARY KEY (day, host_id, model, username)
);
CREATE INDEX usage_host_day_host ON usage_host_day (host_id, day);
CREATE INDEX usage_host_day_user ON usage_host_day (username, day);
COMMENT ON TABLE usage_host_day IS 'Sums of usage_entry as in usage_day, told apart by host and user as well.';
COMMENT ON COLUMN usage_host_day.host_id IS '0: of hosts that are gone. No reference: entries of a host that is removed move there by themselves.';
COMMENT ON COLUMN usage_host_day.username IS 'Empty: the entries did not say.';

-- usage_add_up brings the sums up to what a statement did to usage_entry. Rows are taken in the order of their keys, usage_day's
-- first, so that no two transactions wait for each other; and none of usage_day where a host is merely removed.
CREATE FUNCTION usage_add_up() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	changes usage_host_day[];
BEGIN
	EXECUTE format($q$
		SELECT array_agg(ROW(c.*)::usage_host_day) FROM (
			SELECT (at AT TIME ZONE 'UTC')::date, coalesce(host_id, 0), coalesce(model, ''), coalesce(username, ''),
				sum(sign)::bigint, (sum(sign) FILTER (WHERE coalesce(total, input, output, cached, reasoning) IS NOT NULL))::bigint,
				(sum(sign) FILTER (WHERE cost IS NOT NULL))::bigint,
				sum(sign * total), sum(sign * input), sum(sign * output), sum(sign * cached), sum(sign * reasoning), sum(sign * cost)
			FROM (%s) e GROUP BY 1, 2, 3, 4
		) c $q$, CASE TG_OP
			WHEN 'INSERT' THEN 'SELECT 1::numeric AS sign, * FROM added'
			WHEN 'DELETE' THEN 'SELECT (-1)::numeric AS sign, * FROM removed'
			ELSE 'SELECT 1::numeric AS sign, * FROM added UNION ALL SELECT -1, * FROM removed'
		END) INTO changes;
	IF changes IS NULL THEN
		RETURN NULL;
	END IF;

	INSERT INTO usage_day AS d (day, model, entries, counted, priced, total, input, output, cached, reasoning, cost)
	SELECT * FROM (
		SELECT c.day, c.model, sum(c.entries) AS entries, coalesce(sum(c.counted), 0) AS counted, coalesce(sum(c.priced), 0) AS priced,
			coalesce(sum(c.total), 0) AS total, coalesce(sum(c.input), 0) AS input, coalesce(sum(c.output), 0) AS output,
			coalesce(sum(c.cached), 0) AS cached, coalesce(sum(c.reasoning), 0) AS reasoning, coalesce(sum(c.cost), 0) AS cost
		FROM unnest(changes) c GROUP BY 1, 2
	) s WHERE (s.entries, s.counted, s.priced, s.total, s.input, s.output, s.cached, s.reasoning, s.cost) <> (0, 0, 0, 0, 0, 0, 0, 0, 0)
	ORDER BY 1, 2
	ON CONFLICT (day, model) DO UPDATE SET
		entries = d.entries + excluded.entries, counted = d.counted + excluded.counted, priced = d.priced + excluded.priced,
		total = d.total + excluded.total, input = d.input + excluded.input, output = d.output + excluded.output,
		cached = d.cached + excluded.cached, reasoning = d.reasoning + excluded.reasoning, cost = d.cost + excluded.cost;

	INSERT INTO usage_host_day AS d (day, host_id, model, username, entries, counted, priced, total, input, output, cached, reasoning, cost)
	SELECT * FROM (
		SELECT c.day, c.host_id, c.model, c.username, c.entries, coalesce(c.counted, 0) AS counted, coalesce(c.priced, 0) AS priced,
			coalesce(c.total, 0) AS total, coalesce(c.input, 0) AS input, coalesce(c.output, 0) AS output,
			coalesce(c.cached, 0) AS cached, coalesce(c.reasoning, 0) AS reasoning, coalesce(c.cost, 0) AS cost
		FROM unnest(changes) c
	) s WHERE (s.entries, s.counted, s.priced, s.total, s.input, s.output, s.cached, s.reasoning, s.cost) <> (0, 0, 0, 0, 0, 0, 0, 0, 0)
	ORDER BY 1, 2, 3, 4
	ON CONFLICT (day, host_id, model, username) DO UPDATE SET
		entries = d.entries + excluded.entries, counted = d.counted + excluded.counted, priced = d.priced + excluded.priced,
		total = d.total + excluded.total, input = d.input + excluded.input, output = d.output + excluded.output,
		cached = d.cached + excluded.cached, reasoning = d.reasoning + excluded.reasoning, cost = d.cost + excluded.cost;

	IF TG_OP <> 'INSERT' THEN
		DELETE FROM usage_day d USING unnest(changes) c WHERE d.day = c.day AND d.model = c.model AND d.entries = 0;
		DELETE FROM usage_host_day d USING unnest(changes) c
			WHERE d.day = c.day AND d.host_id = c.host_id AND d.model = c.model AND d.username = c.username AND d.entries = 0;
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER usage_entry_added AFTER INSERT ON usage_entry
	REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION usage_add_up();
CREATE TRIGGER usage_entry_changed AFTER UPDATE ON usage_entry
	REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION usage_add_up();
CREATE TRIGGER usage_entry_removed AFTER DELETE ON usage_entry
	REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION usage_add_up();

-- What was reported before this migration.
INSERT INTO usage_host_day
SELECT (at AT TIME ZONE 'UTC')::date, coalesce(host_id, 0), coalesce(model, ''), '', count(*), count(coalesce(total, input, output, cached, reasoning)), count(cost),
	coalesce(sum(total), 0), coalesce(sum(input), 0), coalesce(sum(output), 0), coalesce(sum(cached), 0), coalesce(sum(reasoning), 0), coalesce(sum(cost), 0)
FROM usage_entry GROUP BY 1, 2, 3, 4;
INSERT INTO usage_day
SELECT day, model, sum(entries), sum(counted), sum(priced), sum(total), sum(input), sum(output), sum(cached), sum(reasoning), sum(cost)
FROM usage_host_day GROUP BY 1, 2;
