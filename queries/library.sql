-- name: LibraryList :many
-- LibraryList lists the files of a kind with their current versions, without texts, retired ones included.
SELECT f.*, v.sha256, v.description, v.argument_hint, v.author, v.created_at
FROM library_file f JOIN library_version v ON v.file_id = f.id AND v.number = f.version
WHERE f.kind = @kind ORDER BY f.name COLLATE "C";

-- name: LibraryGet :one
SELECT sqlc.embed(f), sqlc.embed(v)
FROM library_file f JOIN library_version v ON v.file_id = f.id AND v.number = f.version
WHERE f.kind = @kind AND f.name = @name;

-- name: LibraryNamesake :one
-- LibraryNamesake finds the file whose name is @name but for its case.
SELECT name FROM library_file WHERE kind = @kind AND lower(name) = lower(@name::text);

-- name: LibraryFileInsert :one
-- LibraryFileInsert creates a file. No row: there is one of this name, in whatever case.
INSERT INTO library_file (kind, name, version, updated_at) VALUES (@kind, @name, 1, @now::timestamptz)
ON CONFLICT DO NOTHING
RETURNING id;

-- name: LibraryFileAdvance :execrows
-- LibraryFileAdvance makes version @current + 1 current, if @current still is and the file is as retired, or not, as it
-- was; it is not retired any more.
UPDATE library_file SET version = version + 1, updated_at = @now::timestamptz, deleted_at = NULL
WHERE id = @id AND version = @current::bigint AND deleted_at IS NOT DISTINCT FROM sqlc.narg('deleted_at')::timestamptz;

-- name: LibraryFileDelete :execrows
-- LibraryFileDelete retires a file, if version @current is its current one and it is not retired.
UPDATE library_file SET deleted_at = @now::timestamptz, updated_at = @now::timestamptz
WHERE id = @id AND version = @current::bigint AND deleted_at IS NULL;

-- name: LibraryVersionInsert :exec
INSERT INTO library_version (file_id, number, sha256, content, description, argument_hint, author, source_host_id, created_at)
VALUES (@file_id, @number, @sha256, @content, @description, @argument_hint, @author, @source_host_id, @now::timestamptz);

-- name: LibraryVersions :many
-- LibraryVersions lists what a file has been, newest first, without texts.
SELECT v.number, v.sha256, v.description, v.argument_hint, v.author, v.created_at, octet_length(v.content) AS size_bytes
FROM library_version v JOIN library_file f ON f.id = v.file_id
WHERE f.kind = @kind AND f.name = @name ORDER BY v.number DESC;

-- name: LibraryVersionGet :one
SELECT v.* FROM library_version v JOIN library_file f ON f.id = v.file_id
WHERE f.kind = @kind AND f.name = @name AND v.number = @number;

-- name: LibraryVersionPrune :execrows
-- LibraryVersionPrune deletes versions that are not among the newest @keep of their file.
DELETE FROM library_version WHERE (file_id, number) IN (
	SELECT v.file_id, v.number FROM library_version v JOIN library_file f ON f.id = v.file_id
	WHERE v.number <= f.version - @keep::bigint LIMIT @max
);

-- name: ProposalLock :exec
-- ProposalLock lets one call of a host at a time count and replace its proposals.
SELECT 1 FROM host WHERE id = @host_id FOR NO KEY UPDATE;

-- name: ProposalSupersede :execrows
-- ProposalSupersede makes way for a newer proposal of the same host: the pending one goes with its text, or a host could
-- fill the disk with what it would have liked for a moment. The audit trail has that it was.
DELETE FROM library_proposal WHERE host_id = @host_id AND kind = @kind AND name = @name AND decided_at IS NULL;

-- name: ProposalPending :one
SELECT sha256, description, argument_hint FROM library_proposal
WHERE host_id = @host_id AND kind = @kind AND name = @name AND decided_at IS NULL;

-- name: ProposalCount :one
SELECT count(*) FROM library_proposal WHERE host_id = @host_id AND decided_at IS NULL;

-- name: ProposalInsert :one
INSERT INTO library_proposal (kind, name, sha256, content, description, argument_hint, base_version, host_id, created_at)
VALUES (@kind, @name, @sha256, @content, @description, @argument_hint, @base_version, @host_id, @now::timestamptz)
RETURNING id;

-- name: ProposalList :many
-- ProposalList lists what waits for an admin, oldest first, without texts.
SELECT p.id, p.kind, p.name, p.sha256, p.base_version, p.created_at, octet_length(p.content) AS size_bytes, h.fqdn
FROM library_proposal p JOIN host h ON h.id = p.host_id
WHERE p.decided_at IS NULL ORDER BY p.id;

-- name: ProposalPage :many
-- ProposalPage is a part of what was proposed, by id, without texts: proposals beyond one, or all; of one host; with a decision,
-- which is empty for those that wait; with a text in the name or the host's.
SELECT p.id, p.name, p.sha256, p.description, p.argument_hint, p.base_version, p.host_id, p.created_at, octet_length(p.content) AS size_bytes,
	p.decided_at, p.decision, p.decided_by, h.fqdn
FROM library_proposal p JOIN host h ON h.id = p.host_id
WHERE p.kind = @kind AND (sqlc.narg('after')::bigint IS NULL OR CASE WHEN @descending::boolean THEN p.id < sqlc.narg('after') ELSE p.id > sqlc.narg('after') END)
	AND (sqlc.narg('host_id')::bigint IS NULL OR p.host_id = sqlc.narg('host_id'))
	AND (sqlc.narg('decision')::text IS NULL OR coalesce(p.decision, '') = sqlc.narg('decision'))
	AND (@search::text = '' OR strpos(lower(p.name), lower(@search)) > 0 OR strpos(h.fqdn, lower(@search)) > 0)
ORDER BY CASE WHEN NOT @descending THEN p.id END, CASE WHEN @descending THEN p.id END DESC LIMIT @max;

-- name: ProposalGet :one
SELECT sqlc.embed(p), h.fqdn FROM library_proposal p JOIN host h ON h.id = p.host_id WHERE p.id = @id;

-- name: ProposalDecide :execrows
-- ProposalDecide closes a proposal: of those who try at once, one does. 0 rows: it is decided already.
UPDATE library_proposal SET decided_at = @now::timestamptz, decision = @decision::text, decided_by = @decided_by::text
WHERE id = @id AND decided_at IS NULL;

-- name: ProposalPrune :execrows
-- ProposalPrune forgets proposals that were decided before @before.
DELETE FROM library_proposal WHERE id IN (
	SELECT p.id FROM library_proposal p WHERE p.decided_at < @before::timestamptz LIMIT @max
);
