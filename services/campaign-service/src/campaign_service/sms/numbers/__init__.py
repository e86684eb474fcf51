"""A tenant's telephone numbers, and how much each may send."""
