-- Single messages are claimed tenant by tenant, so that a tenant with many of them holds up nobody else.
DROP INDEX message_claim;
CREATE INDEX message_claim ON message (tenant_id, next_attempt_at)
    WHERE state IN ('queued', 'failed_retry', 'attempting');
