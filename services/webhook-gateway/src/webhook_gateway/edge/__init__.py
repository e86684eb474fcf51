"""What the public door checks and cleans before anything else sees a request. Pure functions, no I/O."""
