"""The pages of Fienta on which an organiser keeps discount codes, for tests and demonstrations.

`running()` serves them in this process; `python -m tests.simulators.fienta` in one of its own.
"""

from tests.simulators.fienta.server import running
from tests.simulators.fienta.state import EVENT, Faults, Site

__all__ = ["EVENT", "Faults", "Site", "running"]
