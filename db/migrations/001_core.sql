-- The core: who may come (hosts, install tokens, admin certificates), what they get (accounts, generations), what was
-- done (audit entries), and how secrets are sealed. Columns named *_sealed hold "sbox:v2:<key id>:<base64>", bound to
-- their table, column and row (docs/security.md); a dump without the keyring opens none of them.

CREATE TABLE installation (
	single boolean PRIMARY KEY DEFAULT true CHECK (single),
	id uuid NOT NULL DEFAULT gen_random_uuid(),
	created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE installation IS 'One row: the identity of this installation, which hosts pin at enrolment.';
INSERT INTO installation DEFAULT VALUES;

CREATE TABLE seal_key (
	id text PRIMARY KEY CHECK (id ~ '^[0-9a-f]{8}$'),
	check_sealed text NOT NULL CHECK (octet_length(check_sealed) <= 256),
	created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE seal_key IS 'The master keys this database was sealed with. A gateway whose keyring cannot open every check value refuses to start.';

CREATE TABLE account (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
	generation bigint NOT NULL DEFAULT 0 CHECK (generation >= 0),
	created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE account IS 'A login that hosts share. A fresh installation has one, named default.';
COMMENT ON COLUMN account.generation IS 'Number of the canonical generation; 0: none yet. Advanced by compare-and-set only.';
INSERT INTO account (name) VALUES ('default');

CREATE TABLE host (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	account_id bigint NOT NULL REFERENCES account,
	fqdn text NOT NULL UNIQUE CHECK (fqdn = lower(fqdn) AND octet_length(fqdn) BETWEEN 1 AND 253),
	status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'disabled')),
	key_sha256 bytea NOT NULL UNIQUE CHECK (octet_length(key_sha256) = 32),
	key_prefix text NOT NULL CHECK (key_prefix ~ '^[0-9a-f]{8}$'),
	secure boolean NOT NULL DEFAULT true,
	vip boolean NOT NULL DEFAULT false,
	roaming boolean NOT NULL DEFAULT false,
	bound_ip inet,
	insecure_until timestamptz,
	grace_until timestamptz,
	expires_at timestamptz,
	client_version text CHECK (octet_length(client_version) <= 64),
	wrapper_version text CHECK (octet_length(wrapper_version) <= 64),
	api_calls bigint NOT NULL DEFAULT 0,
	last_refresh text CHECK (octet_length(last_refresh) <= 64),
	auth_digest bytea CHECK (octet_length(auth_digest) = 32),
	last_seen_at timestamptz,
	created_at timestamptz NOT NULL,
	updated_at timestamptz NOT NULL
);
COMMENT ON TABLE host IS 'An enrolled machine.';
COMMENT ON COLUMN host.key_sha256 IS 'SHA-256 of the API key. The key itself is nowhere, except sealed in a pending install token.';
COMMENT ON COLUMN host.key_prefix IS 'First 8 characters of the API key: enough to recognise it in a log, useless to log in.';
COMMENT ON COLUMN host.secure IS 'May keep a credential on disk. An insecure host may call POST /auth only while insecure_until lies ahead.';
COMMENT ON COLUMN host.roaming IS 'May change its address. Otherwise bound_ip, once set, is the only one.';
COMMENT ON COLUMN host.grace_until IS 'Until then an insecure host whose window has closed may still store.';
COMMENT ON COLUMN host.last_refresh IS 'last_refresh of the generation this host is known to have, verbatim.';
COMMENT ON COLUMN host.auth_digest IS 'Digest of the generation this host is known to have.';

CREATE TABLE install_token (
	id uuid PRIMARY KEY,
	host_id bigint NOT NULL REFERENCES host ON DELETE CASCADE,
	token_sha256 bytea NOT NULL UNIQUE CHECK (octet_length(token_sha256) = 32),
	token_prefix text NOT NULL CHECK (octet_length(token_prefix) = 8),
	key_sealed text CHECK (octet_length(key_sealed) <= 512),
	created_at timestamptz NOT NULL DEFAULT now(),
	expires_at timestamptz NOT NULL,
	used_at timestamptz,
	used_from inet,
	replaced_at timestamptz,
	CHECK (key_sealed IS NULL OR (used_at IS NULL AND replaced_at IS NULL))
);
-- Pending means: the sealed key is still there. One per host.
CREATE UNIQUE INDEX install_token_pending ON install_token (host_id) WHERE key_sealed IS NOT NULL;
CREATE INDEX install_token_host ON install_token (host_id);
COMMENT ON TABLE install_token IS 'Single-use tokens that turn a machine into a host.';
COMMENT ON COLUMN install_token.key_sealed IS 'The host''s API key, sealed, until the token is claimed, replaced or expired; each of these deletes it in the same statement.';

CREATE TABLE generation (
	id uuid PRIMARY KEY,
	account_id bigint NOT NULL REFERENCES account ON DELETE CASCADE,
	number bigint NOT NULL CHECK (number > 0),
	lineage uuid NOT NULL,
	digest bytea NOT NULL CHECK (octet_length(digest) = 32),
	body_sealed text NOT NULL CHECK (octet_length(body_sealed) <= 1048576),
	chatgpt_account text CHECK (octet_length(chatgpt_account) <= 256),
	access_sha256 bytea CHECK (octet_length(access_sha256) = 32),
	refresh_sha256 bytea CHECK (octet_length(refresh_sha256) = 32),
	access_issued_at timestamptz,
	access_expires_at timestamptz,
	last_refresh text NOT NULL CHECK (octet_length(last_refresh) <= 64),
	last_refresh_at timestamptz NOT NULL,
	source text NOT NULL CHECK (source IN ('host', 'admin', 'operator')),
	source_host_id bigint REFERENCES host ON DELETE SET NULL,
	created_at timestamptz NOT NULL,
	UNIQUE (account_id, number)
);
CREATE INDEX generation_source_host ON generation (source_host_id);
COMMENT ON TABLE generation IS 'Accepted credentials of an account, in order. The account says which is canonical.';
COMMENT ON COLUMN generation.lineage IS 'The chain of refreshes this generation belongs to: the id of the generation that began it.';
COMMENT ON COLUMN generation.body_sealed IS 'The canonical auth.json (contract: compact, order kept), sealed.';
COMMENT ON COLUMN generation.chatgpt_account IS 'tokens.account_id of the auth.json: whose login it is. NULL: the file does not say.';
COMMENT ON COLUMN generation.access_sha256 IS 'SHA-256 of tokens.access_token, to recognise it in what a host reports.';
COMMENT ON COLUMN generation.last_refresh IS 'As received, verbatim: clients compare the string.';

CREATE TABLE delivery (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	host_id bigint NOT NULL REFERENCES host ON DELETE CASCADE,
	generation_id uuid NOT NULL REFERENCES generation ON DELETE CASCADE,
	mode text NOT NULL CHECK (mode IN ('full')),
	delivered_at timestamptz NOT NULL
);
CREATE INDEX delivery_host ON delivery (host_id, delivered_at DESC);
CREATE INDEX delivery_generation ON delivery (generation_id);
COMMENT ON TABLE delivery IS 'Which host was given which generation, how and when.';

CREATE TABLE admin_ca (
	id uuid PRIMARY KEY,
	cert_pem text NOT NULL CHECK (octet_length(cert_pem) <= 16384),
	key_sealed text NOT NULL CHECK (octet_length(key_sealed) <= 4096),
	spki_sha256 bytea NOT NULL UNIQUE CHECK (octet_length(spki_sha256) = 32),
	created_at timestamptz NOT NULL DEFAULT now()
);
-- One CA: two consoles that both find none must not both make one.
CREATE UNIQUE INDEX admin_ca_single ON admin_ca ((true));
COMMENT ON TABLE admin_ca IS 'The authority that signs admin certificates.';

CREATE TABLE admin_cert (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	ca_id uuid NOT NULL REFERENCES admin_ca,
	name text NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 64),
	serial text NOT NULL UNIQUE CHECK (octet_length(serial) <= 64),
	spki_sha256 bytea NOT NULL UNIQUE CHECK (octet_length(spki_sha256) = 32),
	not_after timestamptz NOT NULL,
	created_at timestamptz NOT NULL,
	revoked_at timestamptz
);
COMMENT ON TABLE admin_cert IS 'Certificates handed to admins. Only a listed one that is not revoked opens the admin door.';

CREATE TABLE audit_entry (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at timestamptz NOT NULL,
	actor_kind text NOT NULL CHECK (actor_kind IN ('host', 'admin', 'operator', 'gateway', 'installer')),
	actor text NOT NULL CHECK (octet_length(actor) <= 256),
	action text NOT NULL CHECK (octet_length(action) <= 64),
	host_id bigint,
	ip inet,
	details jsonb NOT NULL DEFAULT '{}' CHECK (pg_column_size(details) <= 16384)
);
CREATE INDEX audit_entry_host ON audit_entry (host_id, id DESC) WHERE host_id IS NOT NULL;
COMMENT ON TABLE audit_entry IS 'What was done, by whom, from where; written in the transaction of the act.';
COMMENT ON COLUMN audit_entry.host_id IS 'The host concerned. No foreign key: the record outlives the host.';
