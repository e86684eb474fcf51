"""Who of a campaign may be sent to today."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol
from uuid import UUID

from shared.database import Tx

from . import repository, service
from .hosting.service import providers
from .plans import MailboxProvider, Plan


class Addressed(Protocol):
    """A recipient, as far as admission looks at it."""

    @property
    def contact_id(self) -> UUID: ...
    @property
    def email(self) -> str: ...


@dataclass(slots=True)
class Gate:
    """The plans that a campaign's mails count in, locked until the transaction ends."""

    campaign_id: UUID
    plans: list[Plan]
    now: datetime

    @property
    def room(self) -> int | None:
        """Places there are for whoever comes next; None: as many as one likes."""
        return min((plan.left for plan in self.plans if not plan.mailbox_provider), default=None)

    def reason(self, plans: Sequence[Plan]) -> str:
        """Why mails wait, for people."""
        plan = next(plan for plan in plans if not plan.left)
        if not plan.is_active:
            return f"warm-up of {plan.name} is {plan.status}: {plan.status_reason or 'by hand'}"
        again = plan.next_day(self.now).isoformat(timespec="minutes")
        return f"warm-up of {plan.name}: {plan.cap} mails on day {plan.day_number}; goes on at {again}"

    async def say_why_nobody(self, tx: Tx) -> None:
        """Write on the campaign why it waits. Only while there is no `room`."""
        general = [plan for plan in self.plans if not plan.mailbox_provider]
        await repository.say(tx, tx.tenant, self.campaign_id, self.reason(general))

    async def admit(self, tx: Tx, token: UUID, people: Sequence[Addressed]) -> set[UUID]:
        """Places for those there is room for; the others wait for the next day of the plan that is full."""
        admitted = {person.contact_id for person in people}
        at_provider = await self._at_provider(tx, people)
        full: list[Plan] = []
        for plan in self.plans:
            fits = at_provider(plan)
            known = await repository.known(tx, tx.tenant, plan, self.campaign_id, fits) if fits else set()
            fresh = [contact for contact in fits if contact in admitted and contact not in known]
            late = fresh[plan.left :]
            if late:
                full.append(plan)
                admitted -= set(late)
                at = plan.next_day(self.now)
                await repository.postpone(tx, tx.tenant, self.campaign_id, token, late, at)
        for plan in self.plans:
            taken = [contact for contact in at_provider(plan) if contact in admitted]
            if taken:
                await repository.take(tx, tx.tenant, plan, self.campaign_id, taken)
        if people:
            reason = self.reason([_spent(plan) for plan in full]) if full else None
            await repository.say(tx, tx.tenant, self.campaign_id, reason)
        return admitted

    async def _at_provider(self, tx: Tx, people: Sequence[Addressed]) -> Callable[[Plan], list[UUID]]:
        """Tells whose mail counts in a plan."""
        asked = [p.email for p in people] if any(plan.mailbox_provider for plan in self.plans) else []
        provider = await providers(tx, asked)
        at: dict[MailboxProvider | str, list[UUID]] = {"": [person.contact_id for person in people]}
        for person in people if asked else ():
            at.setdefault(provider(person.email), []).append(person.contact_id)
        return lambda plan: at.get(plan.mailbox_provider, [])


def _spent(plan: Plan) -> Plan:
    """The plan as it is when its last place of the day is gone."""
    return replace(plan, used=max(plan.used, plan.cap))


async def open_gate(tx: Tx, campaign_id: UUID, ip_pool: str, default_sender: str, now: datetime) -> Gate:
    """The gate of a campaign for mails that leave by a pool."""
    sender = await repository.sender_of(tx, tx.tenant, campaign_id) or default_sender
    domain = sender.rpartition("@")[2].lower()
    plans = [plan for plan in await service.open_day(tx, now) if plan.covers(domain, ip_pool)]
    gate = Gate(campaign_id, [plan for plan in plans if plan.status != "finished"], now)
    if gate.room == 0:
        freed = [plan for plan in gate.plans if await repository.give_back(tx, tx.tenant, plan)]
        if freed:
            return await open_gate(tx, campaign_id, ip_pool, default_sender, now)
    return gate
