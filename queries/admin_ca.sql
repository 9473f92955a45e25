-- name: AdminCAGet :one
SELECT * FROM admin_ca;

-- name: AdminCAInsert :execrows
-- AdminCAInsert records the authority. 0 rows: another console was faster; use its.
INSERT INTO admin_ca (id, cert_pem, key_sealed, spki_sha256) VALUES (@id, @cert_pem, @key_sealed, @spki_sha256)
ON CONFLICT DO NOTHING;

-- name: AdminCALock :exec
-- AdminCALock makes what changes the list of certificates happen one after another: a revocation sees what a renewal made.
SELECT id FROM admin_ca FOR UPDATE;
