-- name: PolicyList :many
SELECT * FROM policy;

-- name: PolicySet :exec
INSERT INTO policy (name, value, updated_at) VALUES (@name, @value, @now::timestamptz)
ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value, updated_at = EXCLUDED.updated_at;
