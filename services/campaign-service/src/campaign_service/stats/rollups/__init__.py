"""Numbers that the database keeps as sums of changes: put together, and made anew."""
