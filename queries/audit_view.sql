-- name: AuditPage :many
-- AuditPage is a part of the audit trail, by id: entries beyond one, or all; of one host or of none; of an actor, kind of actor,
-- action or group of actions; from an address or network; from a time on, up to but not at another; with a text in them. What
-- was put into the rows by hand must not keep them from being read. A group is what lies between its name with a dot and with
-- the character after the dot, byte by byte, for which there is an index. The name of a host that is gone is empty.
SELECT e.id, (CASE WHEN isfinite(e.at) THEN e.at ELSE 'epoch' END)::timestamptz AS at, e.actor_kind, e.actor, e.action, e.host_id,
	coalesce(host(e.ip), '')::text AS ip, e.details::text AS details, coalesce(e.request_id, '')::text AS request_id,
	coalesce(e.chain, '')::text AS chain, coalesce(e.seq, 0)::bigint AS seq,
	coalesce((SELECT h.fqdn FROM host h WHERE h.id = e.host_id), '')::text AS fqdn
FROM audit_entry e
WHERE (sqlc.narg('after')::bigint IS NULL OR CASE WHEN @descending::boolean THEN e.id < sqlc.narg('after') ELSE e.id > sqlc.narg('after') END)
	AND (sqlc.narg('host_id')::bigint IS NULL OR e.host_id = sqlc.narg('host_id'))
	AND (NOT @hostless::boolean OR e.host_id IS NULL)
	AND (@actor::text = '' OR e.actor = @actor)
	AND (@actor_kind::text = '' OR e.actor_kind = @actor_kind)
	AND (@action::text = '' OR e.action COLLATE "C" = @action OR e.action COLLATE "C" > @action || '.' AND e.action COLLATE "C" < @action || '/')
	AND (@network::text = '' OR e.ip <<= @network::inet)
	AND (sqlc.narg('since')::timestamptz IS NULL OR e.at >= sqlc.narg('since'))
	AND (sqlc.narg('until')::timestamptz IS NULL OR e.at < sqlc.narg('until'))
	AND (@search::text = '' OR strpos(lower(concat_ws(' ', e.action, e.actor, e.details, e.request_id)), lower(@search)) > 0)
ORDER BY CASE WHEN NOT @descending THEN e.id END, CASE WHEN @descending THEN e.id END DESC LIMIT @max;
