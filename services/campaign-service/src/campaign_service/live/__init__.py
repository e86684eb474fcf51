"""Live progress: server-sent events about what is under way."""
