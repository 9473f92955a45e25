-- Seed tokens: one upload of a login, from a machine that has one.

CREATE TABLE seed_token (
	id uuid PRIMARY KEY,
	account_id bigint NOT NULL REFERENCES account ON DELETE CASCADE,
	token_sha256 bytea NOT NULL UNIQUE CHECK (octet_length(token_sha256) = 32),
	token_prefix text NOT NULL CHECK (octet_length(token_prefix) = 8),
	created_at timestamptz NOT NULL DEFAULT now(),
	created_by text NOT NULL CHECK (octet_length(created_by) <= 256),
	expires_at timestamptz NOT NULL,
	attempts integer NOT NULL DEFAULT 0,
	used_at timestamptz,
	used_from inet
);
CREATE INDEX seed_token_expires ON seed_token (expires_at);
COMMENT ON TABLE seed_token IS 'Single-use tokens that let a machine upload the fleet''s login. Nothing is ever read with one.';
COMMENT ON COLUMN seed_token.attempts IS 'Uploads under this token that were refused; it is dead after a few.';

ALTER TABLE generation DROP CONSTRAINT generation_source_check,
	ADD CONSTRAINT generation_source_check CHECK (source IN ('host', 'admin', 'operator', 'seed'));
ALTER TABLE audit_entry DROP CONSTRAINT audit_entry_actor_kind_check,
	ADD CONSTRAINT audit_entry_actor_kind_check CHECK (actor_kind IN ('host', 'admin', 'operator', 'gateway', 'installer', 'seed'));
