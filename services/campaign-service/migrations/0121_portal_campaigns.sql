-- The campaign by SMS that a collection is made for.
ALTER TABLE netlife_collection ADD COLUMN campaign_id uuid;
CREATE INDEX netlife_collection_import_idx ON netlife_collection (tenant_id, import_id) WHERE campaign_id IS NOT NULL;
