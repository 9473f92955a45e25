-- Who may use the admin surface and for what: the roles of certificates, API tokens, login links, and the sessions that
-- links open. What a role may do is no matter of the database.

ALTER TABLE admin_cert
	ADD COLUMN role text NOT NULL DEFAULT 'owner' CHECK (role IN ('viewer', 'operator', 'owner'));
ALTER TABLE admin_cert ALTER COLUMN role DROP DEFAULT;
CREATE INDEX admin_cert_name ON admin_cert (name);
COMMENT ON COLUMN admin_cert.role IS 'What its holder may do. Certificates of before there were roles could do everything.';
COMMENT ON COLUMN admin_cert.revoked_at IS 'From then on it opens nothing. It may lie ahead: a renewed certificate goes on for a while.';

CREATE TABLE admin_token (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name text NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 64),
	token_sha256 bytea NOT NULL UNIQUE CHECK (octet_length(token_sha256) = 32),
	token_prefix text NOT NULL CHECK (octet_length(token_prefix) = 13),
	role text NOT NULL CHECK (role IN ('viewer', 'operator', 'owner')),
	scopes text[] CHECK (cardinality(scopes) BETWEEN 1 AND 64 AND octet_length(array_to_string(scopes, ',')) <= 2048),
	created_at timestamptz NOT NULL DEFAULT now(),
	created_by text NOT NULL CHECK (octet_length(created_by) BETWEEN 1 AND 256),
	expires_at timestamptz NOT NULL,
	last_used_at timestamptz,
	revoked_at timestamptz
);
-- A name can be given again once its token is revoked.
CREATE UNIQUE INDEX admin_token_name ON admin_token (name) WHERE revoked_at IS NULL;
COMMENT ON TABLE admin_token IS 'API tokens of scripts that act as admins. The token itself is nowhere.';
COMMENT ON COLUMN admin_token.token_prefix IS 'First 13 characters of the token: enough to recognise it, useless to log in.';
COMMENT ON COLUMN admin_token.scopes IS 'The capabilities it was made for, of those that its role has. NULL: all of them.';
COMMENT ON COLUMN admin_token.last_used_at IS 'Written once a minute at most.';

CREATE TABLE admin_link (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	token_sha256 bytea NOT NULL UNIQUE CHECK (octet_length(token_sha256) = 32),
	role text NOT NULL CHECK (role IN ('viewer', 'operator', 'owner')),
	created_at timestamptz NOT NULL DEFAULT now(),
	created_by text NOT NULL CHECK (octet_length(created_by) BETWEEN 1 AND 128),
	expires_at timestamptz NOT NULL,
	used_at timestamptz,
	used_from inet
);
CREATE INDEX admin_link_expires ON admin_link (expires_at);
COMMENT ON TABLE admin_link IS 'Single-use login links that somebody on the console made.';

CREATE TABLE admin_session (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	link_id bigint NOT NULL UNIQUE REFERENCES admin_link,
	token_sha256 bytea NOT NULL UNIQUE CHECK (octet_length(token_sha256) = 32),
	role text NOT NULL CHECK (role IN ('viewer', 'operator', 'owner')),
	created_at timestamptz NOT NULL DEFAULT now(),
	expires_at timestamptz NOT NULL,
	revoked_at timestamptz
);
CREATE INDEX admin_session_expires ON admin_session (expires_at);
COMMENT ON TABLE admin_session IS 'Browsers that logged in by a link; each has a cookie whose SHA-256 this is.';
COMMENT ON COLUMN admin_session.link_id IS 'One link, one session: however many try, the database takes the first.';
