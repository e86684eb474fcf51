-- A file of people is taken away when somebody is erased who may be in it; this says why there is none.
ALTER TABLE contact_operation ADD COLUMN file_withdrawn_at timestamptz;
ALTER TABLE netlife_collection ADD COLUMN file_withdrawn_at timestamptz;
