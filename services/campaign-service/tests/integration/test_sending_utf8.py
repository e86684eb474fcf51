"""Campaigns to addresses with letters beyond ASCII, by servers with and without SMTPUTF8."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulators.processes import smtp_sink

from .campaigns_kit import Kit
from .test_sending_worker import campaign_to, sending, states, status, until


@pytest.mark.parametrize(
    ("offered", "state", "end"), [(True, "accepted", "sent"), (False, "failed", "partially_failed")]
)
async def test_an_address_beyond_ascii_arrives_or_fails_for_good(
    lone_kit: Kit, tmp_path: Path, offered: bool, state: str, end: str
) -> None:
    with smtp_sink(tmp_path, utf8=offered) as sink:
        campaign = await campaign_to(lone_kit, "ann", "zoé", "用户")

        async def is_over() -> bool:
            return await status(lone_kit, campaign) == end

        async with sending(lone_kit, sink.port):
            await until(is_over)
        arrived = {message["recipient"].partition("@")[0] for message in sink.messages()}
    assert await states(lone_kit, campaign) == {"ann": "accepted", "zoé": state, "用户": state}
    assert arrived == ({"ann", "zoé", "用户"} if offered else {"ann"})
    codes = {row["last_code"] for row in await lone_kit.recipients(campaign) if row["state"] == "failed"}
    assert codes == (set() if offered else {"5.6.7"})
    assert await lone_kit.fetch("SELECT 1 FROM suppression WHERE tenant_id = $1", lone_kit.tenant) == []
