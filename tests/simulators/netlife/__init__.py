"""A photo portal for tests: thousands of subjects, every shape of answer, and faults on demand.

`running()` serves it in this process; `python -m tests.simulators.netlife` in one of its own. The same seed
makes the same portal, and `truth` says what a collection of it has to come to.
"""

from tests.simulators.netlife.faults import Faults, Script
from tests.simulators.netlife.server import Simulator, running
from tests.simulators.netlife.shapes import Shapes
from tests.simulators.netlife.truth import expected_rows, expected_statistics
from tests.simulators.netlife.world import Portal, make_portal

__all__ = [
    "Faults",
    "Portal",
    "Script",
    "Shapes",
    "Simulator",
    "expected_rows",
    "expected_statistics",
    "make_portal",
    "running",
]
