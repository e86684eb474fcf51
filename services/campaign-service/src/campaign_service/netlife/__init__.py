"""Photo portals: who may be written to about whose pictures, read from a portal's own API."""
