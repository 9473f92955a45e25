-- name: VerificationCount :one
-- VerificationCount counts what the audit trail says about verifications of the login since a moment.
SELECT count(*) FILTER (WHERE action = 'auth.validate') AS validations, count(*) FILTER (WHERE action = 'auth.runner_store') AS stores
FROM audit_entry WHERE action IN ('auth.validate', 'auth.runner_store') AND at >= @since::timestamptz;

-- name: VerificationLatest :many
-- VerificationLatest is the newest entry of each kind about a verification of the login, with the host concerned as it is
-- now, if there is one.
SELECT DISTINCT ON (e.action) e.id, e.action, (CASE WHEN isfinite(e.at) THEN e.at ELSE 'epoch' END)::timestamptz AS at, e.details::text AS details,
	h.id AS host_id, coalesce(h.fqdn, '')::text AS fqdn, coalesce(host(h.bound_ip), '')::text AS ip
FROM audit_entry e LEFT JOIN host h ON h.id = e.host_id AND h.deleted_at IS NULL
WHERE e.action IN ('auth.validate', 'auth.runner_store') ORDER BY e.action, e.id DESC;

-- name: VerificationSubject :one
-- VerificationSubject is the canonical login of an account: what there is to verify. No row: there is none.
SELECT g.number, g.created_at, g.last_refresh, g.digest, h.id AS host_id, coalesce(h.fqdn, '')::text AS fqdn, coalesce(host(h.bound_ip), '')::text AS ip
FROM generation g JOIN account a ON a.id = g.account_id AND a.generation = g.number LEFT JOIN host h ON h.id = g.source_host_id AND h.deleted_at IS NULL
WHERE a.name = @account;
