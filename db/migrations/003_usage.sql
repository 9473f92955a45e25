-- What hosts report: token usage, and who uses them.

CREATE TABLE usage_ingest (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	host_id bigint REFERENCES host ON DELETE SET NULL,
	at timestamptz NOT NULL,
	ip inet,
	entries integer NOT NULL CHECK (entries >= 0),
	total bigint,
	input bigint,
	output bigint,
	cached bigint,
	reasoning bigint,
	cost numeric(20, 6),
	idempotency_key text CHECK (octet_length(idempotency_key) BETWEEN 1 AND 128),
	body_sha256 bytea NOT NULL CHECK (octet_length(body_sha256) = 32),
	UNIQUE (host_id, idempotency_key)
);
CREATE INDEX usage_ingest_at ON usage_ingest (at DESC, id DESC);
CREATE INDEX usage_ingest_host ON usage_ingest (host_id, at);
COMMENT ON TABLE usage_ingest IS 'One report of a host: the envelope of its entries, with their sums.';
COMMENT ON COLUMN usage_ingest.idempotency_key IS 'As the host sent it: a second report under the same key is the first one again.';
COMMENT ON COLUMN usage_ingest.body_sha256 IS 'Of the entries as recorded: another report under a used key is told from a retry by it.';

CREATE TABLE usage_entry (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	ingest_id bigint NOT NULL REFERENCES usage_ingest ON DELETE CASCADE,
	host_id bigint REFERENCES host ON DELETE SET NULL,
	at timestamptz NOT NULL,
	line text CHECK (octet_length(line) <= 1024),
	total bigint CHECK (total >= 0),
	input bigint CHECK (input >= 0),
	output bigint CHECK (output >= 0),
	cached bigint CHECK (cached >= 0),
	reasoning bigint CHECK (reasoning >= 0),
	model text CHECK (octet_length(model) <= 128),
	cost numeric(20, 6)
);
CREATE INDEX usage_entry_host ON usage_entry (host_id, at);
CREATE INDEX usage_entry_ingest ON usage_entry (ingest_id);
CREATE INDEX usage_entry_at ON usage_entry (at);
COMMENT ON TABLE usage_entry IS 'Tokens of one session, as a host reported them. NULL: the report did not say.';
COMMENT ON COLUMN usage_entry.cost IS 'In the currency of the price list. NULL: no price was known.';

CREATE TABLE host_user (
	host_id bigint NOT NULL REFERENCES host ON DELETE CASCADE,
	username text NOT NULL CHECK (octet_length(username) BETWEEN 1 AND 255),
	hostname text CHECK (octet_length(hostname) BETWEEN 1 AND 255),
	first_seen_at timestamptz NOT NULL,
	last_seen_at timestamptz NOT NULL,
	PRIMARY KEY (host_id, username)
);
COMMENT ON TABLE host_user IS 'System users that cdx ran as on a host, so that an uninstall knows whose files to remove.';
