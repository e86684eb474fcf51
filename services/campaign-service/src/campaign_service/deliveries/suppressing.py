"""What bounces and complaints mean for who gets mail from now on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from campaign_service.campaigns.recipients import repository as recipients
from campaign_service.deliveries import repository
from campaign_service.deliveries.repository import Source
from campaign_service.deliveries.rows import DeliveryRow
from campaign_service.suppressions import repository as suppressions
from campaign_service.suppressions.repository import NewSuppression
from campaign_service.suppressions.soft import suppress_streaks
from shared.database import Tx
from shared.web import Runtime


@dataclass(frozen=True, slots=True)
class Heard:
    """A new row, the address that its mail went to, and the contact it was, where there is one."""

    row: DeliveryRow
    address: str
    contact_id: UUID | None


async def suppress(tx: Tx, runtime: Runtime, heard: Sequence[Heard], source: Source, now: datetime) -> None:
    """Dead addresses and complainers get no more mail, nor do addresses that keep bouncing softly.

    A bounce is the fault of the address alone; a complaint speaks for the person, under every address.
    """
    if not any(h.row.fact in ("bounced", "complained") for h in heard):
        return
    dead = [h for h in heard if h.row.bounce_class == "hard"]
    angry = [h for h in heard if h.row.fact == "complained"]
    people = await suppressions.people(tx, tx.tenant, (h.contact_id for h in angry if h.contact_id))
    reasons = {h.address.lower(): ("hard_bounce", h.row.diagnostic) for h in dead}
    places: defaultdict[str, set[UUID]] = defaultdict(set)
    for h in angry:
        person = people.get(h.contact_id) if h.contact_id else None
        complaint = ("complaint", h.row.detail.get("feedback_type", ""))
        reasons |= dict.fromkeys((h.address.lower(), *(person.addresses if person else ())), complaint)
        places["complaint"].update(person.ids if person else ())
    await suppressions.add_many(
        tx,
        tx.tenant,
        [
            NewSuppression(address=address, reason=reason, detail=detail[:500] or None, source=source)
            for address, (reason, detail) in sorted(reasons.items())
            if address
        ],
    )
    for address, contact_id in (await repository.contacts_by_address(tx, tx.tenant, reasons)).items():
        places[reasons[address][0]].add(contact_id)
    soft = {h.contact_id for h in heard if h.row.bounce_class == "soft" and h.contact_id}
    places["soft_bounces"].update(await suppress_streaks(tx, runtime, soft, source, now))
    for reason in sorted(reason for reason, contacts in places.items() if contacts):
        await recipients.skip_contacts(tx, tx.tenant, sorted(places[reason]), reason, now)
