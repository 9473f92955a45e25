-- name: DeliveryInsert :exec
INSERT INTO delivery (host_id, generation_id, mode, delivered_at) VALUES (@host_id, @generation_id, 'full', @now::timestamptz);
