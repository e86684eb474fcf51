#!/usr/bin/env python3
"""Run Tidings on this machine.

    python3 run.py                start everything, print the addresses, stop it all on Ctrl-C
    python3 run.py demo           the same, then play the product and check its figures
    python3 run.py status         what runs
    python3 run.py stop           stop what runs

Needs Python 3.11 and nothing else. See `python3 run.py --help` for options.
"""

import sys

if sys.version_info < (3, 11) or sys.platform == "win32":
    sys.exit("Tidings needs Python 3.11 or newer on Linux or macOS (on Windows: WSL, or docker-compose.yml).")

from deploy.local import options
from deploy.local.bootstrap import enter


def start() -> int:
    """Go on in `.venv` and do what was asked for; `--help` needs none."""
    options.of_run(sys.argv[1:])
    enter(__file__)
    from deploy.local.commands import main

    return main(sys.argv[1:])


if __name__ == "__main__":
    try:
        sys.exit(start())
    except KeyboardInterrupt:
        sys.exit(130)
