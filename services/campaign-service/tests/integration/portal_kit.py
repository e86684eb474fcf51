"""Short ways to a simulated portal and a client of it."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from campaign_service.netlife.client import NetlifeAPIClient
from tests.simulators.netlife import Simulator, make_portal, running


class Naps:
    """Sleeps a thousandth of what is asked for, and remembers what that was."""

    def __init__(self) -> None:
        self.asked: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.asked.append(seconds)
        await asyncio.sleep(seconds / 1000)


@asynccontextmanager
async def portal_client(
    simulator: Simulator, **options: Any
) -> AsyncIterator[tuple[Simulator, NetlifeAPIClient, Naps]]:
    """The portal, running, a client of it, and how long the client was willing to wait."""
    naps = Naps()
    given: dict[str, Any] = {
        "sleep": naps,
        "password": simulator.portal.password,
    } | options
    async with (
        running(simulator),
        NetlifeAPIClient(
            simulator.portal.name, simulator.base_url, simulator.portal.username, **given
        ) as client,
    ):
        yield simulator, client, naps


def small_portal(**options: Any) -> Simulator:
    return Simulator(make_portal(5, jobs=2, subjects=40), **options)


def read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))
