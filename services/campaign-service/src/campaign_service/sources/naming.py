"""Which source an import of a file is from."""

from __future__ import annotations

from uuid import UUID

from campaign_service.sources import repository
from campaign_service.sources.schemas import FileSettings
from shared.database import Tx
from shared.errors import ValidationError
from shared.utils import uuid7

_TAKES_FILES = ("csv", "manual")


async def source_of_file(
    tx: Tx, tenant_id: UUID, user_id: UUID, source_id: UUID | None, name: str | None
) -> UUID | None:
    """The source an import names, by id or by name; a new name makes a new `csv` source.

    Raises ValidationError when both are given, or when the source is none that files are for.
    """
    if source_id is not None and name is not None:
        raise ValidationError("Give source_id or source_name, not both", field="source_name")
    if source_id is not None:
        kind = await repository.type_of(tx, tenant_id, source_id)
        return _for_files(source_id, kind, "source_id")
    if name is None:
        return None
    values = {
        "id": uuid7(),
        "name": name,
        "type": "csv",
        "settings": FileSettings().model_dump(),
        "secret": None,
        "created_by": user_id,
    }
    await repository.insert(tx, tenant_id, values)
    found = await repository.named(tx, tenant_id, name)
    return _for_files(found[0], found[1], "source_name") if found else None


def _for_files(source_id: UUID, kind: str | None, field: str) -> UUID:
    if kind is None:
        raise ValidationError("There is no such data source", field=field)
    if kind not in _TAKES_FILES:
        raise ValidationError(f"Files are no part of a source of type {kind}", field=field)
    return source_id


async def require_source(tx: Tx, tenant_id: UUID, source_id: UUID | None, field: str) -> None:
    """Raises ValidationError for a source that is not there."""
    if source_id is not None and await repository.type_of(tx, tenant_id, source_id) is None:
        raise ValidationError("There is no such data source", field=field)
