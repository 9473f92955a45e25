-- name: HostStanding :one
-- HostStanding is what the tables around a host know about it: of which generation the login is that it has (0: of none that is
-- known), what it was given last (mode empty: nothing), and its newest install token (none: token_expires_at is the epoch).
SELECT coalesce((SELECT max(g.number) FROM generation g WHERE g.account_id = h.account_id AND g.digest = h.auth_digest), 0)::bigint AS has,
	coalesce(d.number, 0)::bigint AS given, coalesce(d.mode, '')::text AS mode, coalesce(d.delivered_at, 'epoch')::timestamptz AS given_at,
	coalesce(t.expires_at, 'epoch')::timestamptz AS token_expires_at, t.used_at AS token_used_at, coalesce(host(t.used_from), '')::text AS token_used_from,
	coalesce(t.key_sealed IS NOT NULL AND t.expires_at > now(), false)::boolean AS token_ready
FROM host h LEFT JOIN LATERAL (
	SELECT g.number, l.mode, l.delivered_at FROM delivery l JOIN generation g ON g.id = l.generation_id
	WHERE l.host_id = h.id ORDER BY l.delivered_at DESC, l.id DESC LIMIT 1
) d ON true LEFT JOIN LATERAL (
	SELECT i.* FROM install_token i WHERE i.host_id = h.id ORDER BY i.created_at DESC, i.id DESC LIMIT 1
) t ON true
WHERE h.id = @id;
