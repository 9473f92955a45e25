-- The audit trail becomes one that nobody can bend unseen: every entry is a link of a chain, and what a chain was is
-- signed every few seconds (docs/security.md). Entries from before this migration are no links: nothing protected them
-- until now, and numbering them would only look as if something had.

CREATE TABLE audit_chain (
	name text PRIMARY KEY CHECK (name ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
	seq bigint NOT NULL DEFAULT 0 CHECK (seq >= 0),
	hash bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex') CHECK (octet_length(hash) = 32)
) WITH (fillfactor = 10); -- rewritten by every entry: there must be room for that on the page
COMMENT ON TABLE audit_chain IS 'The head of each chain of audit entries: one chain for each data directory, and one named console. Locked by whoever appends.';
COMMENT ON COLUMN audit_chain.seq IS 'Number of the newest entry; 0: none yet.';
COMMENT ON COLUMN audit_chain.hash IS 'Hash of the newest entry; 32 zero bytes: none yet.';
INSERT INTO audit_chain (name) VALUES ('console');

ALTER TABLE audit_entry
	ADD COLUMN request_id text CHECK (octet_length(request_id) <= 64),
	ADD COLUMN chain text REFERENCES audit_chain,
	ADD COLUMN seq bigint CHECK (seq > 0),
	ADD COLUMN prev bytea CHECK (octet_length(prev) = 32),
	ADD COLUMN hash bytea CHECK (octet_length(hash) = 32),
	ADD CONSTRAINT audit_entry_linked CHECK (num_nulls(chain, seq, prev, hash) = 0) NOT VALID; -- what is there stays as it is
CREATE UNIQUE INDEX audit_entry_chain ON audit_entry (chain, seq);
COMMENT ON COLUMN audit_entry.request_id IS 'The call it was done in, as in the answer and the log. NULL: not in a call.';
COMMENT ON COLUMN audit_entry.chain IS 'NULL, like the three that follow: the entry is from before there were chains.';
COMMENT ON COLUMN audit_entry.seq IS '1, 2, 3 … within the chain, without gaps.';
COMMENT ON COLUMN audit_entry.prev IS 'Hash of the entry before; 32 zero bytes for the first.';
COMMENT ON COLUMN audit_entry.hash IS 'SHA-256 of the entry in canonical JSON: everything but this.';

CREATE TABLE audit_checkpoint (
	chain text NOT NULL REFERENCES audit_chain,
	seq bigint NOT NULL CHECK (seq > 0),
	after bigint NOT NULL CHECK (after >= 0 AND after < seq),
	hash bytea NOT NULL CHECK (octet_length(hash) = 32),
	at timestamptz NOT NULL,
	key_id text NOT NULL CHECK (key_id ~ '^[0-9a-f]{8}$'),
	signature bytea NOT NULL CHECK (octet_length(signature) = 64),
	PRIMARY KEY (chain, seq)
);
COMMENT ON TABLE audit_checkpoint IS 'What a gateway signed: that the chain was this long then, and ended in this hash.';
COMMENT ON COLUMN audit_checkpoint.after IS 'The checkpoint before; 0: none. So none can be taken away unseen.';
COMMENT ON COLUMN audit_checkpoint.key_id IS 'The master key whose audit key signed (Ed25519).';

CREATE TABLE audit_anchor (
	chain text PRIMARY KEY REFERENCES audit_chain,
	seq bigint NOT NULL CHECK (seq > 0),
	hash bytea NOT NULL CHECK (octet_length(hash) = 32),
	at timestamptz NOT NULL,
	key_id text NOT NULL CHECK (key_id ~ '^[0-9a-f]{8}$'),
	signature bytea NOT NULL CHECK (octet_length(signature) = 64)
);
COMMENT ON TABLE audit_anchor IS 'Where a chain begins since its oldest entries were retired, signed: without one it begins at entry 1.';

-- Nothing changes or removes what was recorded but audit_retire. Who owns the tables can drop the trigger: then the
-- chains tell.
CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP = 'DELETE' AND current_setting('cdxgate.audit_retire', true) = 'on'
		AND pg_has_role(current_user, (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'USAGE') THEN
		RETURN OLD;
	END IF;
	RAISE EXCEPTION 'the audit trail is append-only: % on % is refused', TG_OP, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_entry_refuse BEFORE UPDATE OR DELETE ON audit_entry FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_entry_refuse_truncate BEFORE TRUNCATE ON audit_entry FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_checkpoint_refuse BEFORE UPDATE OR DELETE ON audit_checkpoint FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_checkpoint_refuse_truncate BEFORE TRUNCATE ON audit_checkpoint FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();

-- audit_retire deletes a chain's entries up to and including a checkpoint, which stays and is where the chain begins
-- from then on. A role that does not own the tables can be given this instead of DELETE.
CREATE FUNCTION audit_retire(of_chain text, upto bigint, signed_at timestamptz, signed_by text, signed bytea) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	retired bigint;
BEGIN
	INSERT INTO audit_anchor (chain, seq, hash, at, key_id, signature)
		SELECT c.chain, c.seq, c.hash, signed_at, signed_by, signed FROM audit_checkpoint c WHERE c.chain = of_chain AND c.seq = upto
		ON CONFLICT (chain) DO UPDATE SET seq = excluded.seq, hash = excluded.hash, at = excluded.at, key_id = excluded.key_id, signature = excluded.signature
			WHERE audit_anchor.seq < excluded.seq;
	IF NOT FOUND THEN -- no such checkpoint, or another gateway was here
		RETURN 0;
	END IF;
	PERFORM set_config('cdxgate.audit_retire', 'on', true);
	DELETE FROM audit_entry WHERE chain = of_chain AND seq <= upto;
	GET DIAGNOSTICS retired = ROW_COUNT;
	DELETE FROM audit_checkpoint WHERE chain = of_chain AND seq < upto;
	PERFORM set_config('cdxgate.audit_retire', 'off', true);
	RETURN retired;
END $$;
REVOKE ALL ON FUNCTION audit_retire(text, bigint, timestamptz, text, bytea) FROM PUBLIC;
