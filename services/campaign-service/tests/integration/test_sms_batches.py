"""Texts of a campaign go in batches: written down, sent and settled together."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator

import pytest

from campaign_service.sms.slots import WINDOW
from tests.simulators.twilio import report_form

from .campaigns_kit import Kit
from .sms_kit import NUMBER, Phones, open_phones


@pytest.fixture
async def phones(lone_kit: Kit) -> AsyncIterator[Phones]:
    async with open_phones(lone_kit) as opened:
        yield opened


async def test_a_batch_is_sent_together_and_each_text_has_its_own_outcome(phones: Phones) -> None:
    numbers = [(await phones.person())[1] for _ in range(5)]
    await phones.webhook(report_form(f"SM{1:032x}", "delivered", to=numbers[0], sender=NUMBER))
    phones.twilio.refusals = {numbers[3]: 21610, numbers[4]: 20429}
    campaign = await phones.campaign()
    assert await phones.lane.work_once()
    found = await phones.states(campaign)
    assert (found[numbers[3]], found[numbers[4]]) == ("bounced_hard", "failed")
    # The report was of the first to arrive there, whoever that was.
    assert Counter(found[number] for number in numbers[:3]) == {"accepted": 2, "delivered": 1}
    assert await phones.kit.counts(campaign) == {"sent": 3, "delivered": 1, "bounced_hard": 1, "failed": 1}
    assert len(await phones.kit.published("campaign.message.sent.v1")) == 3
    events = await phones.kit.fetch(
        "SELECT type FROM message_event WHERE tenant_id = $1 AND campaign_id = $2",
        phones.kit.tenant,
        campaign,
    )
    assert Counter(row["type"] for row in events) == {"sent": 3, "delivered": 1, "bounced": 1, "failed": 1}


async def test_of_a_process_that_ends_no_more_than_a_batch_is_in_doubt(phones: Phones) -> None:
    await phones.people(WINDOW + 5)
    campaign = await phones.campaign()

    await phones.die()
    await phones.drain()
    assert Counter((await phones.states(campaign)).values()) == {"attempting": WINDOW, "accepted": 5}
