"""How many of a campaign's mails may go now."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from campaign_service.warmup import repository as recipients
from campaign_service.warmup.admission import Addressed
from campaign_service.warmup.hosting.service import providers
from shared.database import Tx

from . import repository
from .buckets import Bucket


class Limiter:
    """The buckets that a campaign's mails come from, locked until the transaction ends."""

    def __init__(self, campaign_id: UUID, buckets: Sequence[Bucket]) -> None:
        self._campaign_id = campaign_id
        self._general = [bucket for bucket in buckets if bucket.scope != "mailbox_provider"]
        self._mailbox = {bucket.name: bucket for bucket in buckets if bucket.scope == "mailbox_provider"}

    @property
    def room(self) -> int | None:
        """Mails that may go whoever gets them; None: as many as one likes."""
        return min((bucket.room for bucket in self._general), default=None)

    async def say_why_nobody(self, tx: Tx) -> None:
        """Rates are kept within seconds: there is nothing to say."""

    async def admit(self, tx: Tx, token: UUID, people: Sequence[Addressed]) -> set[UUID]:
        """Tokens for those there are some for; the others are put back until there will be."""
        by_provider: dict[str, list[UUID]] = {}
        provider_of = await providers(tx, [person.email for person in people] if self._mailbox else [])
        for person in people:
            by_provider.setdefault(provider_of(person.email), []).append(person.contact_id)
        admitted: set[UUID] = set()
        for provider, contacts in by_provider.items():
            bucket = self._mailbox.get(provider)
            taken = contacts if bucket is None else contacts[: bucket.room]
            admitted.update(taken)
            if bucket is not None:
                self._mailbox[provider] = left = bucket.less(len(taken))
                await self._put_back(tx, token, contacts[len(taken) :], left)
        used = [bucket.less(len(admitted)) for bucket in self._general]
        await repository.write(tx, tx.tenant, [*used, *self._mailbox.values()])
        return admitted

    async def _put_back(self, tx: Tx, token: UUID, late: Sequence[UUID], bucket: Bucket) -> None:
        if late:
            at = bucket.next_at(len(late))
            await recipients.postpone(tx, tx.tenant, self._campaign_id, token, late, at)


async def open_limiter(
    tx: Tx, campaign_id: UUID, ip_pool: str, default_sender: str, now: datetime
) -> Limiter:
    """The limiter of a campaign for mails that leave by a pool."""
    sender = await recipients.sender_of(tx, tx.tenant, campaign_id) or default_sender
    names = {"tenant": "", "domain": sender.rpartition("@")[2].lower(), "ip_pool": ip_pool}
    buckets = [bucket.at(now) for bucket in await repository.locked(tx, tx.tenant)]
    fits = [b for b in buckets if b.scope == "mailbox_provider" or names[b.scope] == b.name]
    return Limiter(campaign_id, fits)
