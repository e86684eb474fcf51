"""Who calls: access tokens, and API keys exchanged for them."""
