-- What admins choose for a single host: how it reaches the gateway, and what Codex runs with there.

ALTER TABLE host
	ADD COLUMN force_ipv4 boolean NOT NULL DEFAULT false,
	ADD COLUMN model_override text CHECK (octet_length(model_override) BETWEEN 1 AND 128),
	ADD COLUMN reasoning_effort_override text CHECK (octet_length(reasoning_effort_override) BETWEEN 1 AND 32);
COMMENT ON COLUMN host.force_ipv4 IS 'Its cdx connects to nothing by IPv6. A binding to an IPv6 address gives way to the first IPv4 one.';
COMMENT ON COLUMN host.model_override IS 'The model that Codex runs with where its user names none. NULL: Codex''s own.';
COMMENT ON COLUMN host.reasoning_effort_override IS 'So for the reasoning effort.';
