-- Fresh statistics for the planner after many rows came at once: until autovacuum passes by, a large first
-- import looks like a handful of rows, and queries over tags are planned to compare everybody with everybody.
-- Runs as the owner, because the runtime role may not analyze.
CREATE FUNCTION refresh_contact_statistics() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  ANALYZE contact, contact_tag;
END
$$;
