"""Whose mailboxes are behind a domain that is not its own provider."""
