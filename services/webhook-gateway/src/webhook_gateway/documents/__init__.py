"""One API document for all services, and pages to read it."""
