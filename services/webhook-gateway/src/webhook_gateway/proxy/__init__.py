"""Streams requests to the services and their answers back."""
