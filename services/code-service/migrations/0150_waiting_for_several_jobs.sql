-- A code for which several jobs at the ticket shop wait is `pending` until the last of them is done with it.
-- Functions lock the codes by a statement of its own: the next one then sees what was committed meanwhile.

CREATE INDEX automation_step_code ON automation_step (tenant_id, upper(code)) WHERE state IN ('pending', 'failed');

-- Failed rows wait where a job was given fresh attempts and has not begun them.
CREATE FUNCTION another_job_waits(p_tenant uuid, p_job uuid, p_code_norm text) RETURNS boolean
LANGUAGE sql STABLE AS $$
  SELECT EXISTS (
    SELECT FROM automation_step s JOIN job j ON j.tenant_id = s.tenant_id AND j.id = s.job_id
    WHERE s.tenant_id = p_tenant AND upper(s.code) = p_code_norm AND s.job_id <> p_job
      AND s.state IN ('pending', 'failed') AND j.status IN ('pending', 'running')
      AND j.type LIKE 'fienta.%' AND j.payload->'options'->'dry_run' = 'false'::jsonb
      AND (s.state = 'pending'
           OR (s.tries > 0 AND j.status = 'pending' AND j.attempt = 0 AND j.error IS NULL))
  )
$$;

CREATE OR REPLACE FUNCTION wait_for_shop(p_tenant uuid, p_job uuid, p_now timestamptz) RETURNS void
LANGUAGE sql AS $$
  -- In order of the ids, so that two plans with the same codes do not wait for each other in a ring.
  SELECT c.id FROM automation_step s JOIN code c ON c.tenant_id = p_tenant AND c.code_norm = upper(s.code)
  WHERE s.tenant_id = p_tenant AND s.job_id = p_job
    AND (s.state = 'pending' OR (s.state = 'failed' AND s.tries > 0))
  ORDER BY c.id FOR UPDATE OF c;

  UPDATE code c SET sync_before = c.sync_state, sync_state = 'pending', updated_at = p_now
  FROM automation_step s
  WHERE s.tenant_id = p_tenant AND s.job_id = p_job
    AND (s.state = 'pending' OR (s.state = 'failed' AND s.tries > 0))
    AND c.tenant_id = p_tenant AND c.code_norm = upper(s.code) AND c.sync_state NOT IN ('pending', 'pushing')
$$;

-- After a row was done for a code: the next job may wait for it.
CREATE FUNCTION wait_on(p_tenant uuid, p_job uuid, p_code text, p_now timestamptz) RETURNS void
LANGUAGE sql AS $$
  UPDATE code c SET sync_before = c.sync_state, sync_state = 'pending', updated_at = p_now
  WHERE c.tenant_id = p_tenant AND c.code_norm = upper(p_code) AND c.sync_state NOT IN ('pending', 'pushing')
    AND another_job_waits(p_tenant, p_job, c.code_norm)
$$;

CREATE OR REPLACE FUNCTION wait_no_more(p_tenant uuid, p_job uuid, p_now timestamptz) RETURNS void
LANGUAGE sql AS $$
  SELECT c.id FROM automation_step s JOIN code c ON c.tenant_id = p_tenant AND c.code_norm = upper(s.code)
  WHERE s.tenant_id = p_tenant AND s.job_id = p_job AND s.state IN ('pending', 'doing', 'failed')
  ORDER BY c.id FOR UPDATE OF c;

  -- The row at which the job ended: nobody knows what the shop has now.
  UPDATE code c SET sync_state = 'drift', updated_at = p_now FROM automation_step s
  WHERE s.tenant_id = p_tenant AND s.job_id = p_job AND s.state = 'doing'
    AND c.tenant_id = p_tenant AND c.code_norm = upper(s.code) AND c.sync_state = 'pushing';

  SELECT wait_on(p_tenant, p_job, s.code, p_now) FROM automation_step s
  WHERE s.tenant_id = p_tenant AND s.job_id = p_job AND s.state = 'doing';

  UPDATE code c SET sync_state = coalesce(c.sync_before, 'none'), sync_before = NULL, updated_at = p_now
  FROM automation_step s
  WHERE s.tenant_id = p_tenant AND s.job_id = p_job AND s.state IN ('pending', 'failed')
    AND c.tenant_id = p_tenant AND c.code_norm = upper(s.code) AND c.sync_state = 'pending'
    AND NOT another_job_waits(p_tenant, p_job, c.code_norm)
$$;
