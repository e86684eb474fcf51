-- Links that another service asks for carry its own name of them, so that asking again makes no second one.
ALTER TABLE link ADD COLUMN reference text CHECK (length(reference) BETWEEN 1 AND 200);
CREATE UNIQUE INDEX link_reference ON link (tenant_id, reference) WHERE reference IS NOT NULL;
