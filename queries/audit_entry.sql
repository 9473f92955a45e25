-- name: AuditEntryInsert :exec
INSERT INTO audit_entry (at, actor_kind, actor, action, host_id, ip, details)
VALUES (@at, @actor_kind, @actor, @action, @host_id, @ip, @details);
