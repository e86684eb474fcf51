"""Campaigns: their life, their audience, their recipients."""
