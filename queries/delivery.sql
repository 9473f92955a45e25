-- name: DeliveryInsert :exec
INSERT INTO delivery (host_id, generation_id, mode, delivered_at) VALUES (@host_id, @generation_id, 'full', @now::timestamptz);

-- name: DeliveryClear :execrows
-- DeliveryClear forgets what a host was given; the audit trail does not.
DELETE FROM delivery WHERE host_id = @host_id;
