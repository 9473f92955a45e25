-- name: LiveMarks :one
-- LiveMarks are numbers that change with what pages show: asked every second while somebody looks. Each is the end of an
-- index or of a table with a handful of rows, but for the hosts and what they propose, which are read whole.
SELECT coalesce((SELECT max(e.id) FROM audit_entry e), 0)::bigint AS audit,
	coalesce((SELECT extract(epoch FROM max(greatest(h.updated_at, h.last_seen_at))) * 1000 + count(*) FROM host h), 0)::bigint AS hosts,
	coalesce((SELECT max(u.id) FROM usage_ingest u), 0)::bigint AS usage,
	coalesce((SELECT extract(epoch FROM max(p.updated_at)) * 1000 FROM policy p), 0)::bigint AS policy,
	(coalesce((SELECT sum(a.generation) FROM account a), 0) * 1000000007
		+ coalesce((SELECT extract(epoch FROM max(greatest(c.created_at, c.decided_at))) * 1000 + count(*) FILTER (WHERE c.decided_at IS NULL)
			FROM credential_proposal c), 0))::bigint AS credential,
	(coalesce((SELECT extract(epoch FROM max(f.updated_at)) * 1000 + count(*) FROM library_file f), 0)
		+ (SELECT count(*) FROM library_proposal))::bigint AS library,
	coalesce((SELECT extract(epoch FROM max(greatest(s.asked_at, s.error_at))) * 1000 + sum(s.attempt + s.failures) * 1000000007
		+ sum(coalesce(s.snapshot_id, 0)) * 31 FROM quota_state s), 0)::bigint AS quota;
