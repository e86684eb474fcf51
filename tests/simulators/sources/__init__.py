"""Servers that contacts are fetched from."""

from tests.simulators.sources.server import Fault, SourceServer, people, running

__all__ = ["Fault", "SourceServer", "people", "running"]
