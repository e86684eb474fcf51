"""A mail server that delivers to nobody: it keeps what it gets and shows it over HTTP."""
