-- Certificates of an authority of the operator's: listed by their key, so that one which that authority renews with the
-- same key is known still.

ALTER TABLE admin_cert
	ALTER COLUMN ca_id DROP NOT NULL,
	ADD COLUMN issuer_spki_sha256 bytea CHECK (octet_length(issuer_spki_sha256) = 32),
	ADD CONSTRAINT admin_cert_one_issuer CHECK ((ca_id IS NULL) <> (issuer_spki_sha256 IS NULL)),
	DROP CONSTRAINT admin_cert_serial_key;
-- Authorities do not agree with each other about serial numbers.
CREATE UNIQUE INDEX admin_cert_serial ON admin_cert (serial) WHERE ca_id IS NOT NULL;
COMMENT ON TABLE admin_cert IS 'Certificates of admins, ours and those of the operator''s own authorities. Only a listed one that is not revoked opens the admin door.';
COMMENT ON COLUMN admin_cert.ca_id IS 'Our authority, which signed it. NULL: the operator''s did.';
COMMENT ON COLUMN admin_cert.issuer_spki_sha256 IS 'The key of the operator''s authority (option admin_ca) under which the certificate must be shown. NULL: it is ours.';
COMMENT ON COLUMN admin_cert.serial IS 'Of the certificate that was listed. Of the operator''s: others with the same key are good, too.';
COMMENT ON COLUMN admin_cert.not_after IS 'Of the certificate that was listed. Of the operator''s: what is shown decides.';
