-- name: SealKeyLock :exec
-- SealKeyLock lets one gateway at a time decide which keys this database is sealed with.
LOCK TABLE seal_key IN EXCLUSIVE MODE;

-- name: SealKeyList :many
SELECT * FROM seal_key ORDER BY created_at, id;

-- name: SealKeyInsert :exec
INSERT INTO seal_key (id, check_sealed) VALUES (@id, @check_sealed);
