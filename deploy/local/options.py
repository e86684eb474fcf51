"""What `run.py` and `run_tests.py` can be asked for. Standard library only: no package is there yet."""

from __future__ import annotations

import argparse

TIERS = ("all", "unit", "integration", "e2e")
_COMMANDS = """commands:
  up        start everything, print the addresses, stop it all on Ctrl-C (the default)
  demo      the same, then play the product and check its figures
  status    what runs
  stop      stop what runs, from elsewhere

Settings are environment variables; README.md lists them."""


def of_run(arguments: list[str]) -> argparse.Namespace:
    """The options of `run.py`. Ends the process after `--help` and for what cannot be understood."""
    parser = argparse.ArgumentParser(
        prog="run.py",
        description="Run Tidings on this machine.",
        epilog=_COMMANDS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", nargs="?", choices=("up", "demo", "status", "stop"), default="up")
    parser.add_argument(
        "--port", type=port, help="port of the gateway (8000, or a free one when that is taken)"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address the gateway listens on")
    other = parser.add_argument_group("demo, against an installation that runs already")
    other.add_argument("--gateway", metavar="URL", help="its public address")
    other.add_argument("--mailcatcher", metavar="URL", help="the mail catcher that belongs to it")
    other.add_argument(
        "--intake-port", metavar="PORT", type=port, default=0, help="where it takes in bounces by SMTP, here"
    )
    return parser.parse_args(arguments)


def port(text: str) -> int:
    number = int(text)
    if not 0 < number < 65536:
        raise argparse.ArgumentTypeError("a port lies between 1 and 65535")
    return number


def of_tests(arguments: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """The options of `run_tests.py`, and what goes to pytest. Ends the process like `of_run`."""
    own, extra = arguments, []
    if "--" in arguments:
        cut = arguments.index("--")
        own, extra = arguments[:cut], arguments[cut + 1 :]
    parser = argparse.ArgumentParser(prog="run_tests.py", epilog="After `--` everything goes to pytest.")
    parser.add_argument("tier", nargs="?", choices=TIERS, default="all")
    parser.add_argument("-v", "--verbose", action="count", default=0)
    return parser.parse_args(own), extra
