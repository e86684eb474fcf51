"""A tenant with an SMS account at a simulated provider, and the lane of texts stepped by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest

from campaign_service.consumers import CONSUMERS
from campaign_service.sms.twilio import Twilio
from campaign_service.sms.worker import Lane, sweep_once
from shared.events import new_event
from shared.events.consumer import Dispatcher
from shared.events.transports.base import Delivery, Outcome
from shared.utils import uuid7
from tests.simulators.twilio import AUTH_TOKEN, SID, TwilioSimulator, running

from .campaigns_kit import Kit

GREETING = "Hello {{ first_name }}. Reply STOP to end"
NUMBER = "+15005550006"
_STEPS = 500


class _Died(BaseException):
    """The process is gone."""


class _Dying(Twilio):
    async def send(self, *_: Any) -> Any:
        raise _Died


@dataclass
class Phones:
    """Texts of one tenant: what is asked for, sent and heard back."""

    kit: Kit
    twilio: TwilioSimulator
    lane: Lane
    _numbers: Iterator[int] = field(default_factory=lambda: iter(range(10_000)))

    async def set_up(self, **changes: Any) -> Any:
        body = {
            "account_sid": SID,
            "auth_token": AUTH_TOKEN,
            "numbers": [{"number": NUMBER}],
            "rate_per_sender": 1000,
            "quiet_hours": None,
            "prices": {"currency": "USD", "default": 10_000, "by_country": {"FR": 70_000, "US": 8_000}},
            **changes,
        }
        answer = await self.kit.request("PUT", f"/api/v2/sending/{self.kit.tenant}/sms", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    async def die(self) -> None:
        """Let the process end while its requests are under way; another goes on in its place."""
        alive, self.lane._twilio = self.lane._twilio, _Dying(self.twilio.address, 1.0)
        with pytest.raises(_Died):
            await self.lane.work_once()
        await self.lane._twilio.close()
        self.lane._twilio = alive

    async def person(self, phone: str | None = None, **fields: Any) -> tuple[UUID, str]:
        """A contact who wants texts (unless `consent` says otherwise), and their number."""
        phone = phone or f"+1202555{next(self._numbers) + 100:04d}"
        consent = fields.pop("consent", "SUBSCRIBE")
        body = {
            "phone": phone,
            "email": f"p{uuid7().hex[-12:]}@example.com",
            "custom_fields": {"sms_marketing_consent": consent} if consent else {},
            **fields,
        }
        answer = await self.kit.request("POST", "/api/v2/contacts", json=body)
        assert answer.status_code == 201, answer.text
        return UUID(answer.json()["data"]["id"]), phone

    async def people(self, number: int) -> None:
        """So many contacts who want texts, quickly."""
        await self.kit.execute(
            """INSERT INTO contact (tenant_id, id, email, phone, phone_e164, phone_tried, custom_fields)
               SELECT $1, gen_random_uuid(), 'q' || n || '@example.com', p, p, p,
                      '{"sms_marketing_consent": "yes"}'
               FROM generate_series(1, $2) n, LATERAL (SELECT '+1202' || lpad(n::text, 7, '0') AS p) g""",
            self.kit.tenant,
            number,
        )

    async def campaign(
        self, text: str | None = "Hello {{ first_name }}. Reply STOP to end", **fields: Any
    ) -> UUID:
        """A started campaign."""
        made = await self.draft(text, **fields)
        await self.kit.ok("POST", f"/{made['id']}/send")
        return UUID(made["id"])

    async def draft(self, text: str | None = "Hello. Reply STOP to end", **fields: Any) -> Any:
        body = {"name": "Texts", "channel": "sms", "sms_text": text, **fields}
        answer = await self.kit.request("POST", "/api/v2/campaigns", json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()["data"]

    async def drain(self) -> int:
        """Send until nothing is due; how many steps that took."""
        for step in range(_STEPS):
            if not await self.lane.work_once():
                return step
            if self.lane.is_busy:
                await asyncio.sleep(0.002)
        raise AssertionError("the lane never came to rest")

    async def sweep(self) -> int:
        return await sweep_once(self.kit.runtime)

    async def webhook(self, form: dict[str, str]) -> Outcome:
        """As the event bus brings it; each call is another event."""
        consumer = next(c for c in CONSUMERS if "webhook.twilio.received.v1" in c.types)
        data = {
            "inbound_id": uuid7(),
            "source_type": "twilio",
            "content_type": "application/x-www-form-urlencoded",
            "body": urlencode(form),
            "received_at": self.kit.clock.now(),
        }
        event = new_event("webhook.twilio.received.v1", data, tenant_id=self.kit.tenant, source="/gateway")
        return await Dispatcher(consumer, self.kit.db, self.kit.runtime)(Delivery(event, 0))

    async def get(self, path: str) -> Any:
        answer = await self.kit.request("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    async def texts(self) -> list[dict[str, Any]]:
        return await self.kit.fetch(
            "SELECT * FROM sms_message WHERE tenant_id = $1 ORDER BY id", self.kit.tenant
        )

    async def states(self, campaign_id: UUID) -> dict[str, str]:
        """Number to state of a campaign's people."""
        return {row["phone"]: row["state"] for row in await self.kit.recipients(campaign_id)}


@asynccontextmanager
async def open_phones(kit: Kit, **settings: Any) -> AsyncIterator[Phones]:
    """A kit with its account; `settings` replace parts of it."""
    async with running(TwilioSimulator()) as simulator:
        timeout = settings.pop("timeout", 5.0)
        twilio = Twilio(simulator.address, timeout)
        try:
            lane = Lane(kit.runtime, twilio, asyncio.Event())
            phones = Phones(kit, simulator, lane)
            await phones.set_up(**settings)
            yield phones
        finally:
            await twilio.close()
