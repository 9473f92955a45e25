-- What is new in a Codex.

CREATE TABLE codex_notes (
	version text PRIMARY KEY CHECK (version ~ '^[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}$'),
	notes text NOT NULL CHECK (octet_length(notes) <= 65536),
	published_at timestamptz,
	kept_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE codex_notes IS 'Release notes of the last releases of Codex that were the newest, as GitHub said.';
COMMENT ON COLUMN codex_notes.notes IS 'A stranger''s words. Empty: GitHub has none.';
COMMENT ON COLUMN codex_notes.published_at IS 'NULL: GitHub did not say.';
COMMENT ON COLUMN codex_notes.kept_at IS 'When GitHub last said so, by the database''s clock.';
