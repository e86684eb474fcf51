-- Sources that are read again and again; `next_sync_at` moves in the transaction that starts the sync.
ALTER TABLE data_source
  ADD COLUMN sync_every_minutes integer CHECK (sync_every_minutes >= 15),
  ADD COLUMN next_sync_at timestamptz,
  ADD CONSTRAINT data_source_period CHECK ((sync_every_minutes IS NULL) = (next_sync_at IS NULL));
