"""Bulk sending: leases, the pipelined SMTP writer, and the record of every outcome."""
