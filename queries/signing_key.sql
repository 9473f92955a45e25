-- name: SigningKeyList :many
SELECT * FROM signing_key ORDER BY position;

-- name: SigningKeyAppend :execrows
-- SigningKeyAppend makes a key the last one. 0 rows: another gateway was faster; look again.
INSERT INTO signing_key (position, key_id, statement) VALUES (@position, @key_id, sqlc.narg(statement)::text)
ON CONFLICT DO NOTHING;

-- name: SigningKeyState :execrows
-- SigningKeyState adds a statement that was missing. 0 rows: another gateway has added it.
UPDATE signing_key SET statement = @statement::text WHERE position = @position AND statement IS NULL;
