-- name: PolicyList :many
SELECT * FROM policy;

-- name: PolicySet :exec
INSERT INTO policy (name, value, updated_at) VALUES (@name, @value, @now::timestamptz)
ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value, updated_at = EXCLUDED.updated_at;

-- name: PolicyLock :exec
-- PolicyLock lets one decision at a time be compared with what was decided before. It is no row: most policies have none.
SELECT pg_advisory_xact_lock(hashtext('cdxgate policy'));
