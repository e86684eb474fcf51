-- Fresh statistics for the planner after many rows came at once: until autovacuum passes by, a large first
-- import or a campaign just started looks like a handful of rows, and joins with it are planned to compare
-- everybody with everybody. They run as the owner, because the runtime role may not analyze.
CREATE FUNCTION refresh_contact_statistics() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  ANALYZE contact, contact_tag;
END
$$;

CREATE FUNCTION refresh_recipient_statistics() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  ANALYZE campaign_recipient;
END
$$;
