#!/usr/bin/env python3
"""Run the tests: `python3 run_tests.py [unit|integration|e2e|all] [-v] [-- pytest arguments]`.

Needs Python 3.11 and nothing else. Postgres (and RabbitMQ, when installed) are started for the run
and stopped after it.
"""

import sys

if sys.version_info < (3, 11) or sys.platform == "win32":
    sys.exit("Tidings needs Python 3.11 or newer on Linux or macOS (on Windows: WSL, or docker-compose.yml).")

from deploy.local import options
from deploy.local.bootstrap import enter


def start() -> int:
    """Go on in `.venv` and do what was asked for; `--help` needs none."""
    options.of_tests(sys.argv[1:])
    enter(__file__)
    from deploy.local.testrun import main

    return main(sys.argv[1:])


if __name__ == "__main__":
    try:
        sys.exit(start())
    except KeyboardInterrupt:
        sys.exit(130)
