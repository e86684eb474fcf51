"""What tests of every service use; the fixtures are in `shared.testing.plugin`."""

from shared.testing.clients import service_client
from shared.testing.clock import FakeClock
from shared.testing.databases import fresh_database, runtime_database
from shared.testing.identities import TokenMint

__all__ = ["FakeClock", "TokenMint", "fresh_database", "runtime_database", "service_client"]
