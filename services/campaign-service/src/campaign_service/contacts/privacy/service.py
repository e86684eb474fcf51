"""Forgetting a person, whatever else is going on with their contact.

First the addresses are barred, in a short transaction of its own: an import or a campaign that is under way
meets that at its end. Then the person is taken out of everything. What may hold them as
a file is withdrawn by a job, which begins when they are gone.
"""

from __future__ import annotations

from uuid import UUID

from campaign_service.contacts.privacy import repository
from campaign_service.contacts.privacy.repository import Person
from shared.database import Tx
from shared.database.errors import HANDLED, translate
from shared.errors import NotFoundError, ServiceUnavailableError
from shared.web import Runtime

JOB_TYPE = "contacts.erasure"


async def erase(rt: Runtime, tenant_id: UUID, contact_id: UUID) -> bool:
    """False when an import holds the contact for longer than a request waits: then the job erases it.

    Raises NotFoundError. When it is interrupted, the person is barred and still there: ask again.
    """
    async with rt.db.tenant_tx(tenant_id) as tx:
        person = await repository.find(tx, tenant_id, contact_id)
        if person is None:
            raise NotFoundError("There is no such contact")
        await repository.bar(tx, tenant_id, person)
    try:
        async with rt.db.tenant_tx(tenant_id) as tx:
            await take_out(tx, contact_id, person)
            await _enqueue(rt, tx, contact_id)
    except HANDLED as error:
        if not isinstance(translate(error), ServiceUnavailableError):
            raise
        async with rt.db.tenant_tx(tenant_id) as tx:
            await _enqueue(rt, tx, contact_id)
        return False
    return True


async def take_out(tx: Tx, contact_id: UUID, known: Person | None = None) -> None:
    """Erase who is behind the contact, with what was `known` of them before."""
    found = await repository.find(tx, tx.tenant, contact_id, lock=True)
    person = known | found if known else found
    if person is not None:
        await repository.erase(tx, tx.tenant, person)


async def _enqueue(rt: Runtime, tx: Tx, contact_id: UUID) -> None:
    await rt.jobs.enqueue(tx, JOB_TYPE, {"contact_id": str(contact_id)}, tenant_id=tx.tenant)
