"""Texts: counted, priced, sent through the tenant's account, and followed until they arrive."""
