"""A code of its own for each recipient, from code-service."""
