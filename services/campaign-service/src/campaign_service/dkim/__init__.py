"""Sending domains of tenants: keys, records to publish, and signatures of mails (RFC 6376, RFC 8463)."""
