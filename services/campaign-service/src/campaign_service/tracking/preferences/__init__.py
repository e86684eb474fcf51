"""How a tenant wants its mails tracked."""
