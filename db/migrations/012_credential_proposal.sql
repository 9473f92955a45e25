-- Logins that hosts brought and that may not become the fleet's by themselves, and generations that deliver an earlier
-- access token again.

CREATE TABLE credential_proposal (
	id uuid PRIMARY KEY,
	account_id bigint NOT NULL REFERENCES account ON DELETE CASCADE,
	host_id bigint REFERENCES host ON DELETE SET NULL,
	fqdn text NOT NULL CHECK (octet_length(fqdn) BETWEEN 1 AND 253),
	digest bytea NOT NULL CHECK (octet_length(digest) = 32),
	body_sealed text NOT NULL CHECK (octet_length(body_sealed) <= 1048576),
	chatgpt_account text CHECK (octet_length(chatgpt_account) <= 256),
	access_sha256 bytea CHECK (octet_length(access_sha256) = 32),
	refresh_sha256 bytea CHECK (octet_length(refresh_sha256) = 32),
	access_issued_at timestamptz,
	access_expires_at timestamptz,
	last_refresh text NOT NULL CHECK (octet_length(last_refresh) <= 64),
	base_generation bigint NOT NULL CHECK (base_generation >= 0),
	created_at timestamptz NOT NULL,
	decided_at timestamptz,
	decision text CHECK (decision IN ('adopted', 'discarded')),
	decided_by text CHECK (octet_length(decided_by) <= 256),
	CHECK ((decided_at IS NULL) = (decision IS NULL))
);
-- A host brings the same file again and again, for as long as it is not told anything else.
CREATE UNIQUE INDEX credential_proposal_file ON credential_proposal (host_id, digest);
CREATE INDEX credential_proposal_decided ON credential_proposal (decided_at);
COMMENT ON TABLE credential_proposal IS 'Logins that hosts brought and that may not become canonical by themselves; an admin decides.';
COMMENT ON COLUMN credential_proposal.fqdn IS 'The host''s name when it brought the login: the proposal outlives the host.';
COMMENT ON COLUMN credential_proposal.body_sealed IS 'The auth.json in canonical form, sealed.';
COMMENT ON COLUMN credential_proposal.base_generation IS 'The generation that was canonical then; 0: there was none.';

ALTER TABLE generation ADD COLUMN rolled_back_to bigint CHECK (rolled_back_to > 0 AND rolled_back_to < number);
COMMENT ON COLUMN generation.rolled_back_to IS 'The generation whose access token this one delivers again, with the newest refresh token of its lineage. NULL: it came with tokens of its own.';
