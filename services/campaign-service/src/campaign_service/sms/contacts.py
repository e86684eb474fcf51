"""The numbers of contacts, read where they have not been since they changed."""

from __future__ import annotations

from uuid import UUID

from campaign_service.sms import phones, repository
from shared.database import Tx

_BATCH = 2000


async def read_phones(tx: Tx, tenant_id: UUID, default_region: str) -> int:
    """Work out E.164 of every contact's phone that has none yet; how many were looked at."""
    done = 0
    while True:
        rows = await repository.phones_to_read(tx, tenant_id, _BATCH)
        if rows:
            found = [(id_, _number(phone, country or default_region)) for id_, phone, country in rows]
            await repository.set_phones(tx, tenant_id, found)
        done += len(rows)
        if len(rows) < _BATCH:
            return done


def _number(phone: str | None, region: str) -> str | None:
    return phones.e164(phone, region) if phone else None
