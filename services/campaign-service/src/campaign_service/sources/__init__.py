"""Data sources: where contacts come from, and reading what is new there."""
