-- The library: files that the fleet shares.

CREATE TABLE library_file (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	kind text NOT NULL CHECK (kind IN ('command')),
	name text NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 255),
	version bigint NOT NULL CHECK (version > 0),
	updated_at timestamptz NOT NULL,
	deleted_at timestamptz
);
-- Two names that differ in case alone would be one file on some hosts.
CREATE UNIQUE INDEX library_file_name ON library_file (kind, lower(name));
COMMENT ON TABLE library_file IS 'A shared file: slash commands now.';
COMMENT ON COLUMN library_file.version IS 'Number of the current version. Advanced by compare-and-set only.';
COMMENT ON COLUMN library_file.deleted_at IS 'Retired: hosts remove their copy.';

CREATE TABLE library_version (
	file_id bigint NOT NULL REFERENCES library_file ON DELETE CASCADE,
	number bigint NOT NULL CHECK (number > 0),
	sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
	content text NOT NULL CHECK (octet_length(content) <= 262144),
	description text CHECK (octet_length(description) <= 1024),
	argument_hint text CHECK (octet_length(argument_hint) <= 1024),
	author text NOT NULL CHECK (octet_length(author) <= 256),
	source_host_id bigint REFERENCES host ON DELETE SET NULL,
	created_at timestamptz NOT NULL,
	PRIMARY KEY (file_id, number)
);
CREATE INDEX library_version_source_host ON library_version (source_host_id);
COMMENT ON TABLE library_version IS 'Every content a file has had; an older one can be restored.';
COMMENT ON COLUMN library_version.sha256 IS 'Of the UTF-8 bytes of content, as received.';

CREATE TABLE library_proposal (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	kind text NOT NULL CHECK (kind IN ('command')),
	name text NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 255),
	sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
	content text NOT NULL CHECK (octet_length(content) <= 262144),
	description text CHECK (octet_length(description) <= 1024),
	argument_hint text CHECK (octet_length(argument_hint) <= 1024),
	base_version bigint NOT NULL CHECK (base_version >= 0),
	host_id bigint NOT NULL REFERENCES host ON DELETE CASCADE,
	created_at timestamptz NOT NULL,
	decided_at timestamptz,
	decision text CHECK (decision IN ('accepted', 'discarded')),
	decided_by text CHECK (octet_length(decided_by) <= 256),
	CHECK ((decided_at IS NULL) = (decision IS NULL))
);
-- A host has one pending proposal per file: a newer one takes its place.
CREATE UNIQUE INDEX library_proposal_pending ON library_proposal (host_id, kind, name) WHERE decided_at IS NULL;
CREATE INDEX library_proposal_created ON library_proposal (created_at);
COMMENT ON TABLE library_proposal IS 'What hosts would like the library to hold; an admin decides.';
COMMENT ON COLUMN library_proposal.base_version IS 'The version that was current when it was made; 0: there was no such file.';
