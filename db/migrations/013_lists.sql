-- What lists that are searched need when the audit trail is long: a time, an actor, an action or a group of them.

CREATE INDEX audit_entry_at ON audit_entry (at);
CREATE INDEX audit_entry_actor ON audit_entry (actor);
-- Byte by byte, so that a group of actions is a stretch of it.
CREATE INDEX audit_entry_action ON audit_entry (action COLLATE "C");
