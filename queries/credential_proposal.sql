-- name: CredentialProposalInsert :execrows
-- CredentialProposalInsert keeps a login that a host brought. 0 rows: it is kept already, or was decided on.
INSERT INTO credential_proposal (id, account_id, host_id, fqdn, digest, body_sealed, chatgpt_account, access_sha256, refresh_sha256,
	access_issued_at, access_expires_at, last_refresh, base_generation, created_at)
VALUES (@id, @account_id, @host_id::bigint, @fqdn, @digest, @body_sealed, @chatgpt_account, @access_sha256, @refresh_sha256,
	@access_issued_at, @access_expires_at, @last_refresh, @base_generation, @now::timestamptz)
ON CONFLICT (host_id, digest) DO NOTHING;

-- name: CredentialProposalTrim :execrows
-- CredentialProposalTrim forgets what waits of a host but for the newest @keep.
DELETE FROM credential_proposal WHERE id IN (
	SELECT p.id FROM credential_proposal p WHERE p.host_id = @host_id::bigint AND p.decided_at IS NULL
	ORDER BY p.id DESC OFFSET @keep
);

-- name: CredentialProposalList :many
-- CredentialProposalList lists proposals, by id, which is by when they came, without what they hold: those beyond one, or all; of
-- one host; with a text in the digest, the ChatGPT account or the name of the host.
SELECT p.id, p.host_id, p.fqdn, p.digest, p.chatgpt_account, (p.refresh_sha256 IS NOT NULL)::boolean AS has_refresh_token, p.access_issued_at,
	p.access_expires_at, p.last_refresh, p.base_generation, p.created_at, p.decided_at, p.decision, p.decided_by
FROM credential_proposal p
WHERE p.account_id = @account_id
	AND CASE @state::text WHEN 'pending' THEN p.decided_at IS NULL WHEN 'all' THEN true ELSE p.decision = @state::text END
	AND (sqlc.narg('after')::uuid IS NULL OR CASE WHEN @ascending::boolean THEN p.id > sqlc.narg('after')::uuid ELSE p.id < sqlc.narg('after')::uuid END)
	AND (@host_id::bigint = 0 OR p.host_id = @host_id::bigint)
	AND (@search::text = '' OR strpos(lower(concat_ws(E'\n', encode(p.digest, 'hex'), p.chatgpt_account, p.fqdn)), lower(@search)) > 0)
ORDER BY CASE WHEN @ascending THEN p.id END, CASE WHEN NOT @ascending THEN p.id END DESC LIMIT @max;

-- name: CredentialProposalGet :one
SELECT * FROM credential_proposal WHERE id = @id;

-- name: CredentialProposalHost :exec
-- CredentialProposalHost keeps the host of a proposal from being removed until the transaction ends: who removes it locks the
-- host first, too, and then what belongs to it.
SELECT FROM host h JOIN credential_proposal p ON p.host_id = h.id WHERE p.id = @id FOR KEY SHARE OF h;

-- name: CredentialProposalDecide :execrows
-- CredentialProposalDecide closes a proposal: of those who try at once, one does. 0 rows: it is decided already, or gone.
UPDATE credential_proposal SET decided_at = @now::timestamptz, decision = @decision::text, decided_by = @decided_by::text
WHERE id = @id AND decided_at IS NULL;

-- name: CredentialProposalReopen :execrows
-- CredentialProposalReopen takes a discard back. 0 rows: it is not discarded, or gone.
UPDATE credential_proposal SET decided_at = NULL, decision = NULL, decided_by = NULL WHERE id = @id AND decision = 'discarded';

-- name: CredentialProposalPrune :execrows
-- CredentialProposalPrune forgets proposals that were decided before @before.
DELETE FROM credential_proposal WHERE id IN (
	SELECT p.id FROM credential_proposal p WHERE p.decided_at < @before::timestamptz LIMIT @max
);

-- name: CredentialProposalSettle :exec
-- CredentialProposalSettle closes what waits if it became canonical in another way. What somebody is deciding now is left to
-- him: to wait for him here would be to wait for each other.
UPDATE credential_proposal SET decided_at = @now::timestamptz, decision = 'adopted', decided_by = @decided_by::text
WHERE id IN (
	SELECT p.id FROM credential_proposal p WHERE p.account_id = @account_id AND p.decided_at IS NULL
		AND (p.digest = @digest OR (p.access_sha256 = sqlc.narg('access_sha256')::bytea AND p.refresh_sha256 = sqlc.narg('refresh_sha256')::bytea))
	FOR UPDATE SKIP LOCKED
);
