-- name: CodexReleaseGet :one
-- CodexReleaseGet is what is known. An empty text or the epoch is nothing. failing: the last look failed; looking: somebody
-- is at it; abandoned: somebody was and never said what came of it.
SELECT coalesce(version, '')::text AS version, coalesce(checked_at, 'epoch')::timestamptz AS checked_at,
	coalesce(checked_at > now() - make_interval(secs => @fresh_seconds::double precision), false)::boolean AS fresh,
	coalesce(failed_at >= coalesce(checked_at, failed_at), false)::boolean AS failing,
	coalesce(last_error, '')::text AS last_error, coalesce(failed_at, 'epoch')::timestamptz AS failed_at,
	coalesce(looking_until > now(), false)::boolean AS looking, coalesce(looking_until <= now(), false)::boolean AS abandoned
FROM codex_release;

-- name: CodexReleaseClaim :one
-- CodexReleaseClaim begins a look, which nobody else does until it has ended or @lease_seconds are over. No row: somebody
-- is looking. wait_seconds: GitHub does not want to be asked for so long. etag: empty as well while the notes are not known, so
-- that the answer has them.
UPDATE codex_release SET looks = looks + 1, looking_until = now() + make_interval(secs => @lease_seconds::double precision)
WHERE looking_until IS NULL OR looking_until <= now()
RETURNING looks, CASE WHEN EXISTS (SELECT FROM codex_notes n WHERE n.version = codex_release.version) THEN etag ELSE '' END::text AS etag,
	coalesce(version, '')::text AS version, greatest(0, coalesce(extract(epoch FROM not_before - now()), 0))::double precision AS wait_seconds;

-- name: CodexReleaseFound :execrows
-- CodexReleaseFound ends a look that was answered. 0 rows: another one has begun since.
UPDATE codex_release SET version = @version::text, checked_at = clock_timestamp(), etag = @etag, not_before = NULL, looking_until = NULL
WHERE looks = @looks;

-- name: CodexReleaseFailed :execrows
-- CodexReleaseFailed ends a look that failed; what was known stays. 0 rows: another one has begun since.
UPDATE codex_release SET last_error = @error::text, failed_at = clock_timestamp(), looking_until = NULL,
	not_before = CASE WHEN @wait_seconds::double precision > 0 THEN now() + make_interval(secs => @wait_seconds) END
WHERE looks = @looks;

-- name: CodexReleaseAbandon :exec
-- CodexReleaseAbandon leaves a look to whoever comes next, unless another one has begun since.
UPDATE codex_release SET looking_until = now() WHERE looks = @looks AND looking_until > now();

-- name: CodexNotesKeep :exec
-- CodexNotesKeep keeps what is new in a version. @published_at NULL: it is not known.
INSERT INTO codex_notes (version, notes, published_at, kept_at) VALUES (@version, @notes, sqlc.narg(published_at), clock_timestamp())
ON CONFLICT (version) DO UPDATE SET notes = excluded.notes, published_at = excluded.published_at, kept_at = excluded.kept_at;

-- name: CodexNotesPrune :exec
-- CodexNotesPrune forgets all but the notes that were kept last.
DELETE FROM codex_notes WHERE version NOT IN (SELECT n.version FROM codex_notes n ORDER BY n.kept_at DESC, n.version LIMIT @keep);

-- name: CodexNotesGet :one
SELECT * FROM codex_notes WHERE version = @version;
