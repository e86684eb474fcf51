"""`python -m deploy.local testservers --dir DIR [stop]` and `python -m deploy.local demo …`"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

from deploy.local import testservers
from deploy.local.outside import Outside
from deploy.local.state import LocalStackError


def play(gateway_url: str, mailcatcher_url: str, events: str, outside: Outside) -> int:
    """Exit status of `demo.main.run`: 0 when every figure was right."""
    run = importlib.import_module("demo.main").run
    return int(run(gateway_url, mailcatcher_url, events=events, outside=outside))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.local")
    commands = parser.add_subparsers(dest="command", required=True)
    servers = commands.add_parser("testservers", help="Postgres (and RabbitMQ) for tests; prints exports")
    servers.add_argument("--dir", type=Path, required=True, help="folder that holds their data")
    servers.add_argument("action", nargs="?", choices=("start", "stop"), default="start")
    demo = commands.add_parser("demo", help="play the demo against a running installation")
    demo.add_argument("--gateway", required=True)
    demo.add_argument("--mailcatcher", default="")
    demo.add_argument("--events", default="", help="words about the event transport, to be shown")
    demo.add_argument(
        "--outside", type=Outside.load, default=Outside(), help="ports of simulated systems, as JSON"
    )
    arguments = parser.parse_args()
    if arguments.command == "demo":
        return play(arguments.gateway, arguments.mailcatcher, arguments.events, arguments.outside)
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
