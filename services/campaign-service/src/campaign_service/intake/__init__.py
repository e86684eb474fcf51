"""Mails that come back: bounces, complaints and unsubscribe requests, taken in by SMTP."""
