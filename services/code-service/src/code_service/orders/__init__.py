"""Orders of the ticket shop, as its webhooks tell of them."""
