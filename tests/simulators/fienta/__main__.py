"""`python -m tests.simulators.fienta [--port N] [--codes N] …`: serve the site and print its address."""

from __future__ import annotations

import argparse
import sys

from tests.simulators.fienta.server import listening, make_server
from tests.simulators.fienta.state import Site


def main() -> None:
    usual = Site()
    parser = argparse.ArgumentParser(prog="python -m tests.simulators.fienta")
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--email", default=usual.email)
    parser.add_argument("--password", default=usual.password, help="of the simulated organiser")
    parser.add_argument("--event", default=usual.event)
    parser.add_argument(
        "--codes", type=int, default=0, help="how many codes (GUEST-0001 …) there are already"
    )
    parser.add_argument("--per-page", type=int, default=usual.per_page)
    parser.add_argument("--slow", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--expire-after", type=int, help="pages until the session ends, once")
    parser.add_argument("--redesigned", action="store_true", help="pages with other names")
    parser.add_argument("-v", "--verbose", action="store_true")
    options = parser.parse_args()
    site = Site(
        email=options.email, password=options.password, event=options.event, per_page=options.per_page
    )
    site.faults.slow, site.faults.expire_after = options.slow, options.expire_after
    site.faults.is_redesigned = options.redesigned
    for number in range(1, options.codes + 1):
        site.add(f"GUEST-{number:04}")
    listener = listening(options.port)
    sys.stdout.write(f"http://127.0.0.1:{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    make_server(site, verbose=options.verbose).run([listener])


if __name__ == "__main__":
    main()
