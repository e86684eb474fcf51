-- Whom a campaign goes to may also be a saved segment. No foreign key: a campaign that was started keeps the
-- name of a segment that is gone, so that a copy of it is refused instead of going to everyone.
ALTER TABLE campaign ADD COLUMN segment_id uuid;
CREATE INDEX campaign_segment_idx ON campaign (tenant_id, segment_id) WHERE segment_id IS NOT NULL;
