"""Links in texts: short ones of the tenant, made by code-service, and the clicks on them."""
