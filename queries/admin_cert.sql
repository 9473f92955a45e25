-- name: AdminCertInsert :exec
INSERT INTO admin_cert (ca_id, name, role, serial, spki_sha256, not_after, created_at)
VALUES (@ca_id::uuid, @name, @role, @serial, @spki_sha256, @not_after, @now::timestamptz);

-- name: AdminCertTrust :execrows
-- AdminCertTrust lists a certificate of an authority of the operator's. The key may be listed for this name already: role,
-- certificate and authority are then the new ones. 0 rows: it is another name's, revoked, or one of ours.
INSERT INTO admin_cert (issuer_spki_sha256, name, role, serial, spki_sha256, not_after, created_at)
VALUES (@issuer_spki_sha256::bytea, @name, @role, @serial, @spki_sha256, @not_after, @now::timestamptz)
ON CONFLICT (spki_sha256) DO UPDATE SET
	issuer_spki_sha256 = excluded.issuer_spki_sha256, role = excluded.role, serial = excluded.serial, not_after = excluded.not_after
WHERE admin_cert.ca_id IS NULL AND admin_cert.name = excluded.name AND admin_cert.revoked_at IS NULL;

-- name: AdminCertList :many
SELECT * FROM admin_cert ORDER BY name, id;

-- name: AdminCertBySPKI :one
-- AdminCertBySPKI is asked for every request; the database's clock decides whether a revocation has come.
SELECT name, role, issuer_spki_sha256, coalesce(revoked_at <= now(), false)::boolean AS revoked FROM admin_cert WHERE spki_sha256 = @spki_sha256;

-- name: AdminCertCount :one
SELECT count(*) FROM admin_cert;

-- name: AdminCertNewest :one
-- AdminCertNewest is the newest certificate of ours of a name that was not revoked, expired or not. The time is that of the
-- moment: now() is when the transaction began, perhaps before a revocation that it has waited for.
SELECT * FROM admin_cert WHERE name = @name AND ca_id IS NOT NULL AND (revoked_at IS NULL OR revoked_at > clock_timestamp()) ORDER BY id DESC LIMIT 1;

-- name: AdminCertRevoke :many
-- AdminCertRevoke ends the certificates of a name, or the one of a serial if that is not empty, after a while. An end that
-- was decided before and comes sooner stays. A renewal ends ours only. The time is that of the moment, as above.
UPDATE admin_cert SET revoked_at = least(revoked_at, clock_timestamp() + make_interval(secs => @after_seconds::double precision))
WHERE name = @name AND (@serial::text = '' OR serial = @serial) AND (NOT @only_ours::boolean OR ca_id IS NOT NULL) AND (revoked_at IS NULL OR revoked_at > clock_timestamp())
RETURNING serial, role, revoked_at::timestamptz AS revoked_at;
