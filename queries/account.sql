-- name: AccountByName :one
SELECT * FROM account WHERE name = @name;

-- name: AccountByID :one
SELECT * FROM account WHERE id = @id;

-- name: AccountAdvance :execrows
-- AccountAdvance makes generation @next canonical if @current still is. 0 rows: somebody else was faster.
UPDATE account SET generation = @next WHERE id = @id AND generation = @current;
