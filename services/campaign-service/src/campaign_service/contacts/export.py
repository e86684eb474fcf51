"""All contacts of a list as CSV, streamed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from campaign_service.contacts import repository
from campaign_service.contacts.csv_safety import csv_lines
from shared.database import SimpleDatabase

_COLUMNS = (*repository.FIELDS, "tags", "created_at")
_BATCH = 1000


async def export_csv(db: SimpleDatabase, tenant_id: UUID, filters: dict[str, Any]) -> AsyncIterator[str]:
    """Lines in batches. Custom fields follow the fixed columns, each under its own name."""
    async with db.tenant_tx(tenant_id, read_only=True) as tx:
        keys = await repository.custom_keys(tx, tenant_id)
        yield "\ufeff" + csv_lines([header(keys)])
        batch: list[list[Any]] = []
        async for contact in repository.stream(tx, tenant_id, filters):
            batch.append(cells(contact, keys))
            if len(batch) == _BATCH:
                yield csv_lines(batch)
                batch = []
        if batch:
            yield csv_lines(batch)


def header(keys: list[str]) -> list[str]:
    """Names of the columns, with those of custom fields."""
    return [*_COLUMNS, *keys]


def cells(contact: Any, keys: list[str]) -> list[Any]:
    """One contact in the order of the header."""
    custom = contact["custom_fields"]
    fixed = [contact[name] for name in repository.FIELDS]
    return [*fixed, ",".join(contact["tags"]), contact["created_at"].isoformat(), *map(custom.get, keys)]
