"""Recipients who wait: for their hour, for the winner of a test, or for a code."""
