"""The state of the whole installation, seen from the door."""
