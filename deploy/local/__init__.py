"""The embedded stack: everything Tidings needs on one machine, private to one folder."""
