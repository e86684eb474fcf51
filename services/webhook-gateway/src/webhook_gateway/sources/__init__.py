"""Who may send webhooks, and how each sender proves itself."""
