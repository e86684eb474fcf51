"""Taking uploads of open data in, and answering about them."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

from property_service.imports import repository
from property_service.imports.schemas import ImportAccepted, ImportFile, ImportKind
from property_service.settings import Settings
from shared.database import Tx
from shared.errors import ForbiddenError, NotFoundError, PayloadTooLargeError, ValidationError
from shared.models.identity import Identity
from shared.utils import uuid7
from shared.web import Runtime

JOB_TYPES: dict[ImportKind, str] = {"sales": "properties.import", "cities": "cities.import"}
_COPIED = 1 << 20


def check_may_import(settings: Settings, user: Identity) -> None:
    """Whoever imports changes what all tenants see; DATA_IMPORT_TENANTS may limit who does."""
    allowed = settings.data_import_tenants
    if allowed and str(user.tenant_id) not in allowed:
        raise ForbiddenError("Open data of this installation is imported by another tenant")


def import_dir(data_dir: Path, tenant_id: UUID, import_id: UUID) -> Path:
    """Where uploaded files are kept until their import ends."""
    return data_dir / "open-data" / str(tenant_id) / str(import_id)


async def accept(
    tx: Tx,
    rt: Runtime,
    settings: Settings,
    user: Identity,
    kind: ImportKind,
    files: Sequence[tuple[str | None, BinaryIO]],
) -> ImportAccepted:
    """Store the files and enqueue their import. On any failure nothing of them is left."""
    check_may_import(settings, user)
    import_id = uuid7()
    folder = import_dir(settings.data_dir, user.tenant_id, import_id)
    try:
        kept = await asyncio.to_thread(_keep, folder, files, settings.import_max_bytes)
        return await _start(tx, rt, user, kind, import_id, kept)
    except BaseException:
        # Whatever stopped the request: nothing will ask for these files.
        shutil.rmtree(folder, ignore_errors=True)
        raise


async def _start(
    tx: Tx, rt: Runtime, user: Identity, kind: ImportKind, import_id: UUID, kept: list[dict[str, Any]]
) -> ImportAccepted:
    job = await rt.jobs.enqueue(
        tx,
        JOB_TYPES[kind],
        {"import_id": str(import_id), "paths": [file.pop("path") for file in kept]},
        tenant_id=user.tenant_id,
        unique_key=str(import_id),
        created_by=str(user.user_id),
    )
    await repository.insert(tx, user.tenant_id, import_id, job.id, kind, kept, user.user_id)
    return ImportAccepted(
        import_id=import_id,
        job_id=job.id,
        kind=kind,
        status="pending",
        files=[ImportFile(**file) for file in kept],
    )


def _keep(folder: Path, files: Sequence[tuple[str | None, BinaryIO]], limit: int) -> list[dict[str, Any]]:
    """Put uploads where their job finds them, each under its own name in a folder of its own."""
    kept = []
    for number, (name, source) in enumerate(files, start=1):
        shown = "".join(char for char in (name or "").rsplit("/", 1)[-1] if char.isprintable())[:200]
        path = folder / str(number) / (_plain(shown) or "file")
        path.parent.mkdir(parents=True, exist_ok=True)
        size = 0
        with path.open("wb") as target:
            while block := source.read(_COPIED):
                size += len(block)
                if size > limit:
                    raise PayloadTooLargeError(f"A file may have at most {limit} bytes", field="file")
                target.write(block)
        if not size:
            raise ValidationError(f"The file {shown!r} is empty", field="file")
        kept.append({"name": shown or "file", "size": size, "path": str(path.resolve())})
    return kept


def _plain(name: str) -> str:
    return "".join(char if char.isalnum() or char in "._-" else "_" for char in name).strip(".")[-100:]


async def get(tx: Tx, tenant_id: UUID, import_id: UUID) -> dict[str, Any]:
    found = await repository.get(tx, tenant_id, import_id)
    if found is None:
        raise NotFoundError("There is no such import")
    return found
