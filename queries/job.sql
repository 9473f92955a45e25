-- name: JobRegister :exec
-- JobRegister makes a job known, due at once, and how often it is due. One that is to come more often than before does so
-- at once.
INSERT INTO job (name, every_seconds) VALUES (@name, @every_seconds)
ON CONFLICT (name) DO UPDATE SET every_seconds = EXCLUDED.every_seconds,
	next_run_at = least(job.next_run_at, now() + make_interval(secs => EXCLUDED.every_seconds * 1.1))
WHERE job.every_seconds <> EXCLUDED.every_seconds;

-- name: JobForget :execrows
-- JobForget deletes the rows of jobs that have been due for a month: no gateway has them any more.
DELETE FROM job WHERE next_run_at < now() - interval '30 days' AND name <> ALL (@names::text[]);

-- name: JobClaim :one
-- JobClaim takes the one of these jobs that has been due for the longest and that nobody runs. No row: there is none. Two
-- gateways cannot take the same: the second waits for no row that the first holds, and then finds it taken.
WITH due AS (
	SELECT j.name FROM job j WHERE j.name = ANY (@names::text[]) AND j.next_run_at <= now() AND (j.lease_until IS NULL OR j.lease_until <= now())
	ORDER BY j.next_run_at LIMIT 1 FOR UPDATE SKIP LOCKED
)
UPDATE job SET lease_owner = @owner::text, lease_until = now() + make_interval(secs => @lease_seconds::double precision), last_started = now(), runs = job.runs + 1
FROM due WHERE job.name = due.name
RETURNING job.name, job.runs, job.failures;

-- name: JobRenew :execrows
-- JobRenew keeps a job. 0 rows: the lease was over, or another has it.
UPDATE job SET lease_until = now() + make_interval(secs => @lease_seconds::double precision)
WHERE name = @name AND lease_owner = @owner::text AND runs = @runs AND lease_until > now();

-- name: JobFinish :execrows
-- JobFinish gives a job up that was done, or failed with an error, until it is due again. 0 rows: another has it.
UPDATE job SET lease_owner = NULL, lease_until = NULL, next_run_at = now() + make_interval(secs => @delay_seconds::double precision),
	last_ok = CASE WHEN @error::text = '' THEN now() ELSE last_ok END,
	last_error = coalesce(nullif(@error, ''), last_error), failed_at = CASE WHEN @error = '' THEN failed_at ELSE now() END,
	failures = CASE WHEN @error = '' THEN 0 ELSE failures + 1 END
WHERE name = @name AND lease_owner = @owner::text AND runs = @runs;

-- name: JobRelease :execrows
-- JobRelease gives a job up that was interrupted: it is due for whoever comes first. 0 rows: another has it.
UPDATE job SET lease_owner = NULL, lease_until = NULL WHERE name = @name AND lease_owner = @owner::text AND runs = @runs;

-- name: JobList :many
-- JobList is every job as it stands. running_on is the gateway that runs it now; empty: none does.
SELECT name, every_seconds, next_run_at, (CASE WHEN lease_until > now() THEN lease_owner ELSE '' END)::text AS running_on,
	last_started, last_ok, last_error, failed_at, failures, runs, (next_run_at < now() - make_interval(secs => every_seconds))::boolean AS overdue
FROM job ORDER BY name;
