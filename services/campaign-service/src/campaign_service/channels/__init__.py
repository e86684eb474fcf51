"""Providers by which a tenant's mail leaves, in order, with a circuit breaker each."""
