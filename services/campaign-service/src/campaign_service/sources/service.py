"""Rules of data sources."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

import pydantic

from campaign_service.channels.addresses import host_of, is_forbidden_literal
from campaign_service.imports import repository as imports
from campaign_service.netlife import service as portals
from campaign_service.netlife.schemas import CollectIn, ImportWish
from campaign_service.settings import settings_of
from campaign_service.sources import repository
from campaign_service.sources.schemas import (
    SETTINGS,
    FileSettings,
    LastSync,
    PortalSettings,
    ReadSourceIn,
    RemoteSettings,
    SourceIn,
    SourceOut,
    SourceUpdate,
    SyncAccepted,
)
from shared.database import Tx
from shared.errors import ConflictError, NotFoundError, ValidationError
from shared.utils import uuid7
from shared.utils.crypto import SecretBox, derive_key
from shared.web import Runtime

JOB_TYPE = "sources.sync"
_LOCAL = ("csv", "manual")


class NameTakenError(ConflictError):
    """Another source of the tenant has this name."""

    code = "SOURCE_NAME_TAKEN"


class SourceInUseError(ConflictError):
    """Contacts hang on the source; `details.contacts` says how many."""

    code = "SOURCE_HAS_CONTACTS"


class SourceBusyError(ConflictError):
    """The source is being read."""

    code = "SOURCE_BUSY"


class NotSyncableError(ConflictError):
    """Nothing can be fetched from a source of this type: its contacts are brought."""

    code = "SOURCE_NOT_SYNCABLE"


def _box(rt: Runtime) -> SecretBox:
    secret = settings_of(rt).jwt_secret.get_secret_value()
    return SecretBox(derive_key(secret, "data source secrets"))


def _place(tenant_id: UUID, source_id: UUID) -> str:
    return f"data_source/{tenant_id}/{source_id}"


def open_secret(rt: Runtime, tenant_id: UUID, source: dict[str, Any]) -> str:
    """The secret of a source; empty when it has none."""
    sealed = source["secret"]
    return _box(rt).open(sealed, _place(tenant_id, source["id"])).decode() if sealed else ""


def _sealed(rt: Runtime, tenant_id: UUID, source_id: UUID, settings: FileSettings) -> bytes | None:
    if not isinstance(settings, RemoteSettings) or settings.secret is None:
        return None
    secret = settings.secret.get_secret_value()
    return _box(rt).seal(secret.encode(), _place(tenant_id, source_id))


def _stored(settings: FileSettings) -> dict[str, Any]:
    return settings.model_dump(mode="json", exclude={"secret"})


def _check(rt: Runtime, settings: FileSettings, *, has_secret: bool) -> None:
    """Raises ValidationError for an address we will not ask, or one that is asked without its secret."""
    if isinstance(settings, PortalSettings) and settings.portal not in portals.addresses(rt):
        raise ValidationError("There is no such portal", field="settings.portal")
    if not isinstance(settings, RemoteSettings):
        return
    _check_address(settings.url, settings_of(rt).provider_private_hosts)
    if settings.needs_secret and not has_secret:
        raise ValidationError("The source's secret is needed", field="settings.secret")


def _check_address(url: str, private_hosts: Collection[str]) -> None:
    host = host_of({"url": url})
    if is_forbidden_literal(host, private_hosts):
        raise ValidationError("The address is not public", field="settings.url")
    if not url.startswith("https://") and host not in private_hosts:
        raise ValidationError("The address begins with https://", field="settings.url")


async def create(rt: Runtime, tx: Tx, user_id: UUID, body: SourceIn) -> SourceOut:
    """Raises NameTakenError or ValidationError."""
    source_id = uuid7()
    sealed = _sealed(rt, tx.tenant, source_id, body.settings)
    _check(rt, body.settings, has_secret=sealed is not None)
    values = {
        "id": source_id,
        "name": body.name,
        "type": body.type,
        "settings": _stored(body.settings),
        "secret": sealed,
        "created_by": user_id,
    }
    if not await repository.insert(tx, tx.tenant, values):
        raise NameTakenError("There is a source of this name", field="name")
    if isinstance(body, ReadSourceIn) and body.sync_every_minutes is not None:
        await repository.set_period(tx, tx.tenant, source_id, body.sync_every_minutes, rt.clock.now())
    return await get(tx, source_id)


async def get(tx: Tx, source_id: UUID) -> SourceOut:
    row = await repository.get(tx, tx.tenant, source_id)
    if row is None:
        raise NotFoundError("There is no such data source")
    last = await repository.last_import(tx, tx.tenant, source_id)
    shown = {name: last[name] for name in LastSync.model_fields if name in last} if last else None
    return SourceOut(**row, last_sync=LastSync(import_id=last["id"], **shown) if last and shown else None)


async def _locked(tx: Tx, source_id: UUID) -> dict[str, Any]:
    row = await repository.lock(tx, tx.tenant, source_id)
    if row is None:
        raise NotFoundError("There is no such data source")
    return row


async def update(rt: Runtime, tx: Tx, source_id: UUID, body: SourceUpdate) -> SourceOut:
    """Raises NameTakenError or ValidationError. Where it is asked elsewhere, reading begins anew."""
    row = await _locked(tx, source_id)
    name = body.name or row["name"]
    if await repository.name_is_taken(tx, tx.tenant, name, source_id):
        raise NameTakenError("There is a source of this name", field="name")
    settings = parse_settings(row["type"], row["settings"] | body.settings)
    stored = _stored(settings)
    is_elsewhere = any(stored.get(key) != row["settings"].get(key) for key in ("url", "auth", "header"))
    sealed = _sealed(rt, tx.tenant, source_id, settings)
    # Whoever may change the address must not learn the secret by having it sent there.
    kept = None if is_elsewhere else row["secret"]
    _check(rt, settings, has_secret=(sealed or kept) is not None)
    cursor = row["cursor"] if _same_records(stored, row["settings"]) else None
    values = {"name": name, "settings": stored, "secret": sealed or kept, "cursor": cursor}
    await repository.update(tx, tx.tenant, source_id, values)
    await _set_period(rt, tx, row, body)
    return await get(tx, source_id)


async def _set_period(rt: Runtime, tx: Tx, row: dict[str, Any], body: SourceUpdate) -> None:
    minutes = body.sync_every_minutes
    if "sync_every_minutes" not in body.model_fields_set or minutes == row["sync_every_minutes"]:
        return
    if row["type"] in _LOCAL:
        raise ValidationError("Nothing can be fetched from this source", field="sync_every_minutes")
    await repository.set_period(tx, tx.tenant, row["id"], minutes, rt.clock.now())


def _same_records(new: dict[str, Any], old: dict[str, Any]) -> bool:
    """Whether a cursor of the old settings means the same in the new ones."""
    return all(new.get(key) == old.get(key) for key in ("url", "items", "next_cursor", "cursor_parameter"))


def parse_settings(kind: str, given: dict[str, Any]) -> Any:
    """The settings of a type of source. Raises ValidationError."""
    try:
        return SETTINGS[kind].model_validate(given)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(("settings", *(str(part) for part in first["loc"])))
        raise ValidationError(f"{field}: {first['msg']}", field=field) from error


async def delete(tx: Tx, source_id: UUID) -> None:
    """Raises SourceInUseError, or SourceBusyError while it is read."""
    await _locked(tx, source_id)
    row = await repository.get(tx, tx.tenant, source_id)
    if row and row["contact_count"]:
        count = row["contact_count"]
        raise SourceInUseError(f"{count} contacts come from this source", details={"contacts": count})
    last = await repository.last_import(tx, tx.tenant, source_id)
    is_read = last is not None and last["status"] in ("pending", "running")
    if is_read or await repository.is_collected(tx, tx.tenant, source_id):
        raise SourceBusyError("The source is being read")
    await repository.delete(tx, tx.tenant, source_id)


async def sync(rt: Runtime, tx: Tx, user_id: UUID, source_id: UUID, *, force: bool) -> SyncAccepted:
    """Enqueue reading the source. Raises NotSyncableError, or JobAlreadyActive while it is read."""
    row = await _locked(tx, source_id)
    if row["type"] in _LOCAL:
        raise NotSyncableError("Contacts of this source are imported from files or made by hand")
    if row["type"] == "netlife":
        job_id, import_id = await _start_portal(rt, tx, user_id, row), None
    else:
        job_id, import_id = await _start_sync(rt, tx, user_id, row, force=force)
    return SyncAccepted(
        source_id=source_id,
        type=row["type"],
        job_id=job_id,
        import_id=import_id,
        status="pending",
        message=f"Sync triggered for {row['name']}",
    )


async def _start_portal(rt: Runtime, tx: Tx, user_id: UUID, row: dict[str, Any]) -> UUID:
    settings: PortalSettings = parse_settings("netlife", row["settings"])
    wish = ImportWish(tags=settings.tags, default_language=settings.default_language, source_id=row["id"])
    options = settings.model_dump(exclude={"tags", "default_language"})
    return (await portals.start(rt, tx, user_id, CollectIn(**options, import_contacts=wish))).job_id


async def _start_sync(
    rt: Runtime, tx: Tx, user_id: UUID, row: dict[str, Any], *, force: bool
) -> tuple[UUID, UUID]:
    import_id = uuid7()
    settings: RemoteSettings = parse_settings(row["type"], row["settings"])
    job = await rt.jobs.enqueue(
        tx, JOB_TYPE, {"import_id": str(import_id)}, tenant_id=tx.tenant, unique_key=str(row["id"])
    )
    values = {
        "id": import_id,
        "job_id": job.id,
        "source_id": row["id"],
        "filename": row["name"],
        "path": "",
        "size": 0,
        "created_by": user_id,
        "tags": settings.tags,
        "default_language": settings.default_language,
    }
    await imports.insert(tx, tx.tenant, values)
    if force:
        await repository.forget_cursor(tx, tx.tenant, row["id"])
    return job.id, import_id
