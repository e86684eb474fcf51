-- Whether a contact has a tag is answered by the index alone.
CREATE INDEX contact_tag_by_contact ON contact_tag (tenant_id, contact_id, tag_id);
DROP INDEX contact_tag_contact;
