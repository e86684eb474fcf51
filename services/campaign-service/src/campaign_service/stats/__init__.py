"""Figures of a tenant, read from rollups."""
