"""A tenant with a very long queue is nobody else's delay: shown by the order of mails, not by the clock."""

from __future__ import annotations

from pathlib import Path

from shared.utils import uuid7
from tests.simulators.processes import smtp_sink

from .campaigns_kit import Kit
from .test_sending_worker import sending, status, until

SMALL, EACH, LONG = 19, 12, 1500


async def test_of_twenty_tenants_the_small_ones_are_through_before_a_long_queue(
    lone_kit: Kit, tmp_path: Path
) -> None:
    kits = [
        Kit(lone_kit.client, lone_kit.runtime, lone_kit.db, lone_kit.mint, lone_kit.clock, uuid7())
        for _ in range(SMALL)
    ]
    long = await lone_kit.started(LONG)
    small = [await kit.started(EACH) for kit in kits]

    async def small_ones_are_sent() -> bool:
        pairs = zip(kits, small, strict=True)
        return all([await status(kit, campaign) == "sent" for kit, campaign in pairs])

    with smtp_sink(tmp_path) as sink:
        async with sending(lone_kit, sink.port):
            await until(small_ones_are_sent)
        order = [message["campaign"] == str(long) for message in sink.messages()]
    last_small = max(position for position, is_long in enumerate(order) if not is_long)
    assert order.count(False) == SMALL * EACH
    # Alone the small ones would have been through after as many mails as they have.
    assert last_small < 2 * SMALL * EACH
