"""Campaigns that a tenant's MailWizz sends as campaigns of its own."""
