"""Texts both ways, missed calls, and the leads that come of them."""
