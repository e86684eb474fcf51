"""Recipients and events as CSV."""
