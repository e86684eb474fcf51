-- A code whose row waits in a job at the ticket shop is `pending`, until its turn comes or the job ends without it.

-- What it was before, meaningful while it is pending.
ALTER TABLE code ADD COLUMN sync_before text;

CREATE FUNCTION wait_for_shop(p_tenant uuid, p_job uuid, p_now timestamptz) RETURNS void LANGUAGE sql AS $$
  -- In order of the ids, so that two plans with the same codes do not wait for each other in a ring.
  WITH planned AS MATERIALIZED (
    SELECT c.id FROM automation_step s JOIN code c ON c.tenant_id = p_tenant AND c.code_norm = upper(s.code)
    WHERE s.tenant_id = p_tenant AND s.job_id = p_job
      AND (s.state = 'pending' OR (s.state = 'failed' AND s.tries > 0))
    ORDER BY c.id FOR UPDATE OF c
  )
  UPDATE code c SET sync_before = c.sync_state, sync_state = 'pending', updated_at = p_now FROM planned
  WHERE c.tenant_id = p_tenant AND c.id = planned.id AND c.sync_state NOT IN ('pending', 'pushing')
$$;

CREATE FUNCTION wait_no_more(p_tenant uuid, p_job uuid, p_now timestamptz) RETURNS void LANGUAGE sql AS $$
  WITH planned AS MATERIALIZED (
    SELECT c.id FROM automation_step s JOIN code c ON c.tenant_id = p_tenant AND c.code_norm = upper(s.code)
    WHERE s.tenant_id = p_tenant AND s.job_id = p_job AND s.state IN ('pending', 'failed')
      AND c.sync_state = 'pending'
    ORDER BY c.id FOR UPDATE OF c
  )
  UPDATE code c SET sync_state = coalesce(c.sync_before, 'none'), sync_before = NULL, updated_at = p_now
  FROM planned WHERE c.tenant_id = p_tenant AND c.id = planned.id AND c.sync_state = 'pending'
$$;

-- A trigger, because a job ends in many ways: done, cancelled before it began, or given up after a crash.
CREATE FUNCTION job_at_the_shop_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.status IN ('pending', 'running') THEN
    PERFORM wait_for_shop(NEW.tenant_id, NEW.id, NEW.run_at);
  ELSE
    PERFORM wait_no_more(NEW.tenant_id, NEW.id, NEW.finished_at);
  END IF;
  RETURN NULL;
END $$;

CREATE TRIGGER job_at_the_shop_moved AFTER UPDATE OF status ON job FOR EACH ROW
  WHEN (NEW.type LIKE 'fienta.%' AND NEW.payload->'options'->'dry_run' = 'false'::jsonb
        AND (OLD.status IN ('pending', 'running')) <> (NEW.status IN ('pending', 'running')))
  EXECUTE FUNCTION job_at_the_shop_moved();
