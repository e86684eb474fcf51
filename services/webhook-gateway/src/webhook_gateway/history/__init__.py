"""What came in: list, one, replay."""
