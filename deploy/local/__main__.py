"""`python -m deploy.local testservers --dir DIR [stop]`"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from deploy.local import testservers
from deploy.local.state import LocalStackError


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.local")
    commands = parser.add_subparsers(dest="command", required=True)
    servers = commands.add_parser("testservers", help="Postgres (and RabbitMQ) for tests; prints exports")
    servers.add_argument("--dir", type=Path, required=True, help="folder that holds their data")
    servers.add_argument("action", nargs="?", choices=("start", "stop"), default="start")
    arguments = parser.parse_args()
    try:
        if arguments.action == "stop":
            testservers.stop(arguments.dir)
        else:
            print(testservers.exports(testservers.start(arguments.dir)))
    except LocalStackError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
