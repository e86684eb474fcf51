-- Fresh statistics for the planner after many sales came at once: until autovacuum passes by, a first import looks
-- like a handful of rows, and draws from it are planned over the wrong index. It runs as the owner, because the
-- runtime role may not analyze.
CREATE FUNCTION refresh_sale_statistics() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  ANALYZE sale, city;
END
$$;
