"""Judging recorded opens and clicks again, by all that is known by now."""
