-- What clients trust: the keys that the gateway signed with, one after another.

CREATE TABLE signing_key (
	position integer PRIMARY KEY CHECK (position > 0),
	key_id text NOT NULL CHECK (key_id ~ '^[0-9a-f]{8}$'),
	statement text CHECK (octet_length(statement) <= 1024),
	created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE signing_key IS 'The master keys whose signing keys clients were to trust, in the order in which they were active.';
COMMENT ON COLUMN signing_key.position IS '1, 2, 3 …: of two gateways that append at once one wins, so there is one order.';
COMMENT ON COLUMN signing_key.statement IS 'JSON: that this key comes next, signed with the key of the position before. NULL: nobody said so, and clients of before cannot follow.';
