"""`python -m tests.simulators.netlife [--seed N] [--subjects N] [--jobs N] [--faults RATE] [--port N]`."""

from __future__ import annotations

import argparse
import asyncio

from tests.simulators.netlife import Faults, Simulator, make_portal, running


async def main(arguments: argparse.Namespace) -> None:
    portal = make_portal(arguments.seed, jobs=arguments.jobs, subjects=arguments.subjects)
    simulator = Simulator(portal, faults=Faults(arguments.faults, arguments.seed))
    async with running(simulator, arguments.port):
        print(simulator.base_url, portal.username, portal.password, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=10)
    parser.add_argument("--subjects", type=int, default=3000)
    parser.add_argument("--faults", type=float, default=0.0)
    parser.add_argument("--port", type=int, default=0)
    asyncio.run(main(parser.parse_args()))
