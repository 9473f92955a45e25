-- Jobs that any gateway may run, and what is known about the newest Codex.

CREATE TABLE job (
	name text PRIMARY KEY CHECK (octet_length(name) BETWEEN 1 AND 64),
	every_seconds double precision NOT NULL CHECK (every_seconds > 0 AND every_seconds <= 31536000),
	next_run_at timestamptz NOT NULL DEFAULT now(),
	lease_owner text CHECK (octet_length(lease_owner) BETWEEN 1 AND 128),
	lease_until timestamptz,
	runs bigint NOT NULL DEFAULT 0,
	last_started timestamptz,
	last_ok timestamptz,
	last_error text CHECK (octet_length(last_error) BETWEEN 1 AND 2048),
	failed_at timestamptz,
	failures integer NOT NULL DEFAULT 0,
	CHECK ((lease_owner IS NULL) = (lease_until IS NULL)),
	CHECK ((last_error IS NULL) = (failed_at IS NULL))
);
COMMENT ON TABLE job IS 'What all gateways together do again and again: whoever finds a job due takes it. All times are the database''s.';
COMMENT ON COLUMN job.every_seconds IS 'As the gateway that started last has it.';
COMMENT ON COLUMN job.lease_owner IS 'The gateway that runs it, which gives it up when it is done; after lease_until another may take it. NULL: nobody.';
COMMENT ON COLUMN job.runs IS 'How often it was taken. Who took it may only say that it is done while this is as it was then.';
COMMENT ON COLUMN job.last_error IS 'Why it failed the last time that it did; it may have succeeded since.';
COMMENT ON COLUMN job.failures IS 'How often in a row it has failed; 0: the last time it did not.';

CREATE TABLE codex_release (
	single boolean PRIMARY KEY DEFAULT true CHECK (single),
	version text CHECK (version ~ '^[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}$'),
	checked_at timestamptz,
	etag text NOT NULL DEFAULT '' CHECK (octet_length(etag) <= 256),
	last_error text CHECK (octet_length(last_error) BETWEEN 1 AND 1024),
	failed_at timestamptz,
	not_before timestamptz,
	looks bigint NOT NULL DEFAULT 0,
	looking_until timestamptz,
	CHECK ((version IS NULL) = (checked_at IS NULL)),
	CHECK ((last_error IS NULL) = (failed_at IS NULL))
);
COMMENT ON TABLE codex_release IS 'The newest Codex, as GitHub said; one row. What was good stays when a later look fails.';
COMMENT ON COLUMN codex_release.checked_at IS 'When GitHub last said so, by the database''s clock.';
COMMENT ON COLUMN codex_release.etag IS 'What GitHub called that answer.';
COMMENT ON COLUMN codex_release.last_error IS 'Why the last look that failed did so; one since may have succeeded.';
COMMENT ON COLUMN codex_release.not_before IS 'GitHub does not want to be asked sooner. NULL: it may be.';
COMMENT ON COLUMN codex_release.looks IS 'How often somebody began to look. Only who began the newest look says what came of it.';
COMMENT ON COLUMN codex_release.looking_until IS 'Somebody is looking, until then at most. NULL: nobody is.';
INSERT INTO codex_release DEFAULT VALUES;

CREATE INDEX audit_entry_verification ON audit_entry (action, id DESC) WHERE action IN ('auth.validate', 'auth.runner_store');
