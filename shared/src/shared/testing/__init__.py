"""What tests of every service use; fixtures in `shared.testing.plugin`, HTTP in `.clients`."""

from shared.testing.clock import FakeClock
from shared.testing.databases import fresh_database, runtime_database
from shared.testing.identities import TokenMint

__all__ = ["FakeClock", "TokenMint", "fresh_database", "runtime_database"]
