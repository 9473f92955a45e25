-- name: AdminCertInsert :exec
INSERT INTO admin_cert (ca_id, name, serial, spki_sha256, not_after, created_at)
VALUES (@ca_id, @name, @serial, @spki_sha256, @not_after, @now::timestamptz);

-- name: AdminCertList :many
SELECT * FROM admin_cert ORDER BY name, id;

-- name: AdminCertBySPKI :one
SELECT * FROM admin_cert WHERE spki_sha256 = @spki_sha256;
