-- Who agreed to what, when, and how that is known: rows are added and never changed. After an erasure only a
-- digest of the address is left of the person.
CREATE TABLE contact_consent (
  tenant_id    uuid NOT NULL,
  id           uuid NOT NULL,
  contact_id   uuid,
  digest       bytea NOT NULL,
  channel      text NOT NULL CHECK (channel IN ('email', 'sms')),
  status       text NOT NULL CHECK (status IN ('given', 'withdrawn')),
  basis        text NOT NULL CHECK (basis IN ('consent', 'legitimate_interest', 'contract')),
  source       text,
  shown_text   text,
  text_version text,
  ip_digest    bytea,
  actor        uuid,
  occurred_at  timestamptz NOT NULL,
  recorded_at  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id)
);
CREATE INDEX contact_consent_contact ON contact_consent (tenant_id, contact_id, occurred_at);
CREATE INDEX contact_consent_digest ON contact_consent (tenant_id, digest);
SELECT enable_tenant_rls('contact_consent');

CREATE FUNCTION keep_consents() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND NEW.contact_id IS NULL
     AND (NEW.tenant_id, NEW.id, NEW.digest, NEW.channel, NEW.status, NEW.basis, NEW.occurred_at)
       = (OLD.tenant_id, OLD.id, OLD.digest, OLD.channel, OLD.status, OLD.basis, OLD.occurred_at) THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'what was consented to is only added to' USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER contact_consent_kept BEFORE UPDATE OR DELETE ON contact_consent
  FOR EACH ROW EXECUTE FUNCTION keep_consents();

-- By whatever way somebody unsubscribes (link, mail, STOP, a provider's report), it ends up in this history.
CREATE FUNCTION note_withdrawals() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  INSERT INTO contact_consent (tenant_id, id, contact_id, digest, channel, status, basis, source, occurred_at)
  SELECT h.tenant_id, h.id, c.id, erasure_digest(h.tenant_id, h.address_lower), h.channel,
         CASE WHEN h.action = 'lifted' THEN 'given' ELSE 'withdrawn' END, 'consent', h.source, h.occurred_at
  FROM added h LEFT JOIN LATERAL (
    SELECT id FROM contact
    WHERE tenant_id = h.tenant_id AND h.channel = 'email' AND email_lower = h.address_lower
    UNION ALL
    SELECT id FROM contact
    WHERE tenant_id = h.tenant_id AND h.channel = 'sms' AND phone_e164 = h.address_lower
    ORDER BY id LIMIT 1) c ON true
  WHERE h.reason IN ('unsubscribed', 'complaint') AND h.source IS DISTINCT FROM 'consent'
    AND (h.action <> 'lifted' OR h.source = 'sms_start');
  RETURN NULL;
END
$$;
CREATE TRIGGER suppression_history_consent AFTER INSERT ON suppression_history
  REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION note_withdrawals();

-- Times that others wrote down, in whatever way.
CREATE FUNCTION moment_or_null(written text) RETURNS timestamptz LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN CASE WHEN written ~ '^\d{4}-\d{2}-\d{2}' THEN written::timestamptz END;
EXCEPTION WHEN data_exception THEN
  RETURN NULL;
END
$$;

ALTER TABLE contact_import ADD COLUMN consent jsonb;
