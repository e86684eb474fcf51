"""Rates: token buckets per tenant, sending domain, address pool and mailbox provider."""
