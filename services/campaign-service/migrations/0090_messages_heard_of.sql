-- Bounces, complaints and deliveries of single messages.
ALTER TABLE message
  ADD COLUMN bounced_at    timestamptz,
  ADD COLUMN bounce_class  text CHECK (bounce_class IN ('hard', 'soft', 'other')),
  ADD COLUMN complained_at timestamptz,
  DROP CONSTRAINT message_state_check,
  ADD CONSTRAINT message_state_check CHECK (
    state IN ('queued', 'attempting', 'accepted', 'delivered', 'bounced_hard', 'bounced_soft', 'complained',
              'failed_retry', 'failed', 'ambiguous', 'skipped'));

-- Mail that comes back names its message alone: the way to its tenant, over all tenants.
CREATE INDEX message_id_idx ON message (id);
