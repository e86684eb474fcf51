"""Campaigns in variants: who gets which, and which of them wins."""
