"""A tenant whose campaigns a simulated MailWizz sends, brought there step by step."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from campaign_service.channels import service as channels
from campaign_service.mailwizz.carrying import repository
from campaign_service.mailwizz.carrying.service import Carrier
from campaign_service.mailwizz.client import MailWizzClient
from shared.database import Tx
from shared.jobs import LeaseLostError
from tests.simulators.mailwizz import KEY, MailWizz, running
from tests.simulators.mailwizz.campaigns import MailingList

from .campaigns_kit import Kit

PATTERN = "pa00000000001"
HTML = (
    "<html><body><p>Dear {{ first_name }} of {{ contact.custom.club }}</p>"
    '<a href="https://shop.example.com">shop</a><a href="{{ unsubscribe_url }}">bye</a></body></html>'
)


@dataclass
class Wizz:
    """A tenant whose campaigns MailWizz sends. The worker is believed dead after so many `openings`."""

    kit: Kit
    server: MailWizz
    openings: int = 1000

    @property
    def uid(self) -> str:
        """Of the only campaign there."""
        (uid,) = self.server.campaigns.sent
        return uid

    async def advance(self) -> None:
        """One round of what is done every few minutes."""
        async with self.kit.db.tenant_tx(self.kit.tenant) as tx:
            (provider,) = await channels.providers(self.kit.runtime, tx)
            carried = await repository.not_over(tx, self.kit.tenant)
        async with MailWizzClient(self.server.url, KEY, ["127.0.0.1"]) as client:
            for one in carried:
                await Carrier(self.kit.runtime, client, provider, self._tx).advance(one)

    @asynccontextmanager
    async def _tx(self) -> AsyncIterator[Tx]:
        if self.openings == 0:
            raise LeaseLostError
        self.openings -= 1
        async with self.kit.db.tenant_tx(self.kit.tenant) as tx:
            yield tx

    async def started(self, contacts: int = 3) -> UUID:
        template = await self.kit.add_template(("en",), HTML)
        return await self.kit.started(contacts, template_id=str(template), from_email="news@example.com")

    async def emails(self, campaign: UUID) -> list[str]:
        return [row["email"].lower() for row in await self.kit.recipients(campaign)]

    async def states(self, campaign: UUID) -> list[str]:
        return [row["state"] for row in await self.kit.recipients(campaign)]

    async def status(self, campaign: UUID) -> str:
        return str((await self.kit.ok("GET", f"/{campaign}"))["status"])


@asynccontextmanager
async def open_wizz(kit: Kit) -> AsyncIterator[Wizz]:
    """With a list to be copied."""
    async with running(MailWizz()) as server:
        server.campaigns.lists[PATTERN] = MailingList("Pattern", ("EMAIL", "FNAME", "LNAME", "CLUB"))
        await configure(kit, server, list_uid=PATTERN)
        yield Wizz(kit, server)


async def configure(kit: Kit, server: MailWizz, **more: str) -> None:
    provider = {"name": "wizz", "kind": "mailwizz", "url": server.url, "secret": KEY, "sends": "campaigns"}
    path = f"/api/v2/sending/{kit.tenant}/channels"
    answer = await kit.request("PUT", path, json={"email": [provider | more]})
    assert answer.status_code == 200, answer.text
