"""Requests per caller and window, exact across all processes of the gateway."""
