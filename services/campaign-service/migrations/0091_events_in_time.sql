-- A tenant's events in the order of time: exports and rejudging read them page by page.
CREATE INDEX message_event_time_idx ON message_event (tenant_id, occurred_at, id);
