-- A fleet for looking at: 46 hosts, a season of usage, hosts in every state that pages tell apart. It is put beside a running
-- gateway that has a login; all moments are relative to now. The draws are the same each time.
SELECT setseed(0.42);

INSERT INTO host (account_id, fqdn, key_sha256, key_prefix, secure, vip, roaming, bound_ip, client_version, wrapper_version,
	api_calls, last_refresh, auth_digest, last_seen_at, created_at, updated_at)
SELECT g.account_id, name || '.example.net', sha256(convert_to('demo key of ' || name, 'UTF8')), substr(md5(name), 1, 8), true, n % 17 = 0, n % 9 = 4,
	('192.0.2.' || n)::inet, CASE WHEN n % 8 = 0 THEN '0.160.0' WHEN n % 19 = 0 THEN NULL ELSE '0.169.0' END, '{version}',
	(random() * 4000)::int, g.last_refresh, g.digest, now() - random() ^ 3 * interval '9 hours', now() - interval '95 days' + n * interval '1 day', now()
FROM (
	SELECT row_number() OVER () AS n, prefix || to_char(i, 'FM00') AS name
	FROM (VALUES ('build-', 14), ('dev-', 12), ('gpu-', 6), ('laptop-', 9), ('ci-runner-', 5)) AS kind (prefix, many), generate_series(1, many) AS i
) AS hosts, (SELECT * FROM generation ORDER BY number DESC LIMIT 1) AS g;

-- Hosts in need of somebody, and those that only look so.
UPDATE host SET status = 'disabled' WHERE fqdn IN ('laptop-07.example.net', 'dev-11.example.net');
UPDATE host SET last_seen_at = now() - interval '23 days', auth_digest = sha256('earlier') WHERE fqdn IN ('build-09.example.net', 'gpu-05.example.net');
UPDATE host SET last_seen_at = NULL, last_refresh = NULL, auth_digest = NULL, client_version = NULL, wrapper_version = NULL, bound_ip = NULL, api_calls = 0,
	created_at = now() - interval '8 minutes' WHERE fqdn = 'ci-runner-05.example.net';
UPDATE host SET secure = false WHERE fqdn LIKE 'ci-runner-%';
UPDATE host SET insecure_until = now() + interval '42 minutes' WHERE fqdn = 'ci-runner-02.example.net';
UPDATE host SET grace_until = now() + interval '31 minutes' WHERE fqdn = 'ci-runner-03.example.net';
UPDATE host SET expires_at = now() + interval '95 minutes' WHERE fqdn = 'ci-runner-04.example.net';

INSERT INTO host_user (host_id, username, hostname, first_seen_at, last_seen_at)
SELECT id, u, split_part(fqdn, '.', 1), created_at, coalesce(last_seen_at, created_at)
FROM host, unnest(CASE WHEN fqdn LIKE 'dev-%' THEN ARRAY['alice', 'bob', 'chen'] WHEN fqdn LIKE 'laptop-%' THEN ARRAY['dana'] ELSE ARRAY['ci'] END) AS u
WHERE last_seen_at IS NOT NULL;

INSERT INTO delivery (host_id, generation_id, mode, delivered_at)
SELECT h.id, g.id, 'full', g.created_at + random() * interval '3 hours' FROM host h, generation g WHERE h.last_seen_at > g.created_at AND h.id % 3 <> g.number % 3;

-- Usage: more on workdays, less at night, nothing on two days when the gateway was down.
-- A draw of each host's own: the planner would draw once for all of them.
CREATE FUNCTION pg_temp.draw(what text) RETURNS double precision LANGUAGE sql AS $$ SELECT ('x' || substr(md5(what), 1, 7))::bit(28)::int / (2 ^ 28) $$;

CREATE TEMP TABLE session AS
SELECT h.id AS host_id, date_trunc('day', now()) - d * interval '1 day' + (7 + random() * 13) * interval '1 hour' AS at,
	(30000 + random() ^ 2 * 900000)::bigint AS input, random() AS how, CASE WHEN random() < 0.8 THEN 'gpt-5.2-codex' ELSE 'gpt-5.1-codex-mini' END AS model
FROM host h, generate_series(0, 88) AS d, generate_series(1, 3) AS s
WHERE h.last_seen_at IS NOT NULL AND d NOT IN (33, 34)
	AND pg_temp.draw(concat(h.id, ' ', d, ' ', s)) < CASE extract(isodow FROM now() - d * interval '1 day') WHEN 6 THEN 0.1 WHEN 7 THEN 0.06 ELSE 0.3 END * (1 - d / 200.0);
DELETE FROM session WHERE at > now();
ALTER TABLE session ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY;

INSERT INTO usage_ingest (host_id, at, ip, entries, total, input, output, cached, reasoning, body_sha256, idempotency_key)
SELECT host_id, at, '192.0.2.1', 1, input + output, input, output, (input * how * 0.9)::bigint, (output * 0.4)::bigint, sha256(convert_to(id::text, 'UTF8')), 'demo-' || id
FROM session, LATERAL (SELECT (input * (0.03 + how * 0.06))::bigint AS output) o ORDER BY at;

INSERT INTO usage_entry (ingest_id, host_id, at, line, total, input, output, cached, reasoning, model)
SELECT i.id, i.host_id, i.at, 'Token usage: total=' || i.total || ' input=' || i.input || ' output=' || i.output, i.total, i.input, i.output, i.cached, i.reasoning, s.model
FROM usage_ingest i JOIN session s ON i.idempotency_key = 'demo-' || s.id;

UPDATE generation SET source_host_id = (SELECT id FROM host WHERE fqdn = 'build-03.example.net') WHERE source = 'host';
