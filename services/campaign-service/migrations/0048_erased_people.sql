-- People who asked to be forgotten: only a digest of their address or number is kept, so that no import brings
-- them back. Checked by a trigger because contacts come in by many ways.
CREATE TABLE erased_address (
  tenant_id uuid NOT NULL,
  digest    bytea NOT NULL,
  erased_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, digest)
);
SELECT enable_tenant_rls('erased_address');

CREATE FUNCTION erasure_digest(tenant uuid, address text) RETURNS bytea
LANGUAGE sql IMMUTABLE AS $$
  SELECT sha256(convert_to(tenant::text || ' ' || lower(address), 'UTF8'))
$$;

-- Most tenants have erased nobody, and are asked only that.
CREATE FUNCTION refuse_erased_contact() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM erased_address e WHERE e.tenant_id = NEW.tenant_id)
     AND EXISTS (SELECT 1 FROM erased_address e
                 WHERE e.tenant_id = NEW.tenant_id
                   AND e.digest IN (erasure_digest(NEW.tenant_id, NEW.email),
                                    erasure_digest(NEW.tenant_id, NEW.phone_e164))) THEN
    RETURN NULL;
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER contact_not_erased BEFORE INSERT ON contact
  FOR EACH ROW EXECUTE FUNCTION refuse_erased_contact();
