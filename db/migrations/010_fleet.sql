-- What admins note about a host, the names it had, and a new API key that works beside the old one until it is used.

ALTER TABLE host
	ADD COLUMN labels jsonb NOT NULL DEFAULT '{}' CHECK (
		jsonb_typeof(labels) = 'object' AND octet_length(labels::text) <= 4096
		AND jsonb_array_length(jsonb_path_query_array(labels, '$.keyvalue()')) <= 16
		AND NOT jsonb_path_exists(labels, '$.* ? (@.type() != "string")')),
	ADD COLUMN note text NOT NULL DEFAULT '' CHECK (octet_length(note) <= 1024),
	ADD COLUMN previous_fqdns text[] NOT NULL DEFAULT '{}' CHECK (cardinality(previous_fqdns) <= 8),
	ADD COLUMN next_key_sha256 bytea UNIQUE CHECK (octet_length(next_key_sha256) = 32 AND next_key_sha256 <> key_sha256),
	ADD COLUMN next_key_prefix text CHECK (next_key_prefix ~ '^[0-9a-f]{8}$'),
	ADD COLUMN next_key_sealed text CHECK (octet_length(next_key_sealed) <= 512),
	ADD COLUMN key_until timestamptz,
	ADD CONSTRAINT host_next_key CHECK (
		num_nulls(next_key_sha256, next_key_prefix, key_until) IN (0, 3)
		AND (next_key_sealed IS NULL OR next_key_sha256 IS NOT NULL));
COMMENT ON COLUMN host.labels IS 'At most 16 texts by name, for admins to find hosts by. Hosts are not told.';
COMMENT ON COLUMN host.note IS 'What admins want to remember about the host. Hosts are not told.';
COMMENT ON COLUMN host.previous_fqdns IS 'The newest names it had before, oldest first: a machine that knows itself by one of them may follow to the present one.';
COMMENT ON COLUMN host.next_key_sha256 IS 'SHA-256 of the API key that is to come after key_sha256, and does when it is first used. NULL: none.';
COMMENT ON COLUMN host.next_key_prefix IS 'Its first 8 characters.';
COMMENT ON COLUMN host.next_key_sealed IS 'It itself, sealed, to be handed to the host; gone when it is first used, and when the old one has ended.';
COMMENT ON COLUMN host.key_until IS 'When the old key ends, although the next one was never used.';
CREATE INDEX host_next_key_due ON host (key_until) WHERE next_key_sealed IS NOT NULL;
COMMENT ON COLUMN host.key_sha256 IS 'SHA-256 of the API key. The key itself is nowhere, except sealed in a pending install token or in next_key_sealed.';
