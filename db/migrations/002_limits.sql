-- What bounds a host: pins, allow-lists, the right to store, soft deletion; what bounds everybody: policies and rate limits.

ALTER TABLE host
	ADD COLUMN may_store boolean NOT NULL DEFAULT true,
	ADD COLUMN allow_from cidr[] NOT NULL DEFAULT '{}' CHECK (cardinality(allow_from) <= 64),
	ADD COLUMN window_minutes smallint CHECK (window_minutes BETWEEN 0 AND 480),
	ADD COLUMN client_version_pin text CHECK (octet_length(client_version_pin) BETWEEN 1 AND 64),
	ADD COLUMN deleted_at timestamptz,
	ADD COLUMN deleted_why text CHECK (deleted_why IN ('inactive', 'unprovisioned', 'expired')),
	ADD CHECK ((deleted_at IS NULL) = (deleted_why IS NULL));
COMMENT ON COLUMN host.may_store IS 'Its uploads may change the canonical credential.';
COMMENT ON COLUMN host.allow_from IS 'Networks it may call from, wherever within them. Empty: the address it is bound to decides.';
COMMENT ON COLUMN host.window_minutes IS 'How far a call moves an insecure host''s window on; 0: not at all. NULL: 10.';
COMMENT ON COLUMN host.client_version_pin IS 'The Codex version this host is to run, whatever the fleet runs.';
COMMENT ON COLUMN host.deleted_at IS 'Pruned: its key is refused; the row goes for good 7 days later, and may be restored until then.';

CREATE TABLE policy (
	name text PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9_]{0,62}$'),
	value jsonb NOT NULL CHECK (pg_column_size(value) <= 1024),
	updated_at timestamptz NOT NULL
);
COMMENT ON TABLE policy IS 'What admins have decided for the whole fleet. A policy without a row has its default.';

-- Unlogged: after a crash everybody starts with a clean slate, and a hit costs no write-ahead log.
CREATE UNLOGGED TABLE rate_limit (
	bucket text NOT NULL CHECK (octet_length(bucket) <= 32),
	subject text NOT NULL CHECK (octet_length(subject) <= 64),
	hits integer NOT NULL,
	reset_at timestamptz NOT NULL,
	PRIMARY KEY (bucket, subject)
);
CREATE INDEX rate_limit_reset ON rate_limit (reset_at);
COMMENT ON TABLE rate_limit IS 'Hits of one subject (an address, a host) in one bucket since its window began, shared by all gateways.';
