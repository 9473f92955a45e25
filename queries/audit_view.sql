-- name: AuditPage :many
-- AuditPage is a part of the audit trail, newest first: entries before one, or all; of one host, one actor, one action or
-- group of actions; with a text in them. What was put into the rows by hand must not keep them from being read.
SELECT e.id, (CASE WHEN isfinite(e.at) THEN e.at ELSE 'epoch' END)::timestamptz AS at, e.actor_kind, e.actor, e.action, e.host_id,
	coalesce(host(e.ip), '')::text AS ip, e.details::text AS details
FROM audit_entry e
WHERE (sqlc.narg('before')::bigint IS NULL OR e.id < sqlc.narg('before'))
	AND (sqlc.narg('host_id')::bigint IS NULL OR e.host_id = sqlc.narg('host_id'))
	AND (@actor::text = '' OR e.actor = @actor)
	AND (@action::text = '' OR e.action = @action OR starts_with(e.action, @action || '.'))
	AND (@search::text = '' OR strpos(lower(e.action || ' ' || e.actor || ' ' || e.details::text), lower(@search)) > 0)
ORDER BY e.id DESC LIMIT @max;
