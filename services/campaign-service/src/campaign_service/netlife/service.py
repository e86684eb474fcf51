"""Rules of a tenant's portals and collections."""

from __future__ import annotations

import json
import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID

from campaign_service.campaigns.audience.service import resolve_tags
from campaign_service.netlife import repository
from campaign_service.netlife.client import NetlifeAPIClient
from campaign_service.netlife.config import ALLOWED_PORTALS, PERFORMANCE_CONFIG, Performance, brand_of
from campaign_service.netlife.importing import BUYER, NON_BUYER
from campaign_service.netlife.schemas import CollectAccepted, CollectIn, PortalIn, PortalOut
from campaign_service.settings import settings_of
from campaign_service.sms import campaigns as sms
from campaign_service.sources.naming import require_source
from shared.database import SimpleDatabase, Tx
from shared.errors import ConflictError, NotFoundError, ValidationError
from shared.utils.crypto import SecretBox, derive_key
from shared.web import Runtime

JOB_TYPE = "netlife.collect"
_PART_CHARACTERS = 1_000_000
#: Somebody waits for the answer: one attempt, and a short one.
TRIAL = Performance(timeout=10.0, retry_attempts=1, rate_limit_attempts=1)


class PortalNotConfiguredError(ConflictError):
    """The tenant has no credentials for this portal."""

    code = "PORTAL_NOT_CONFIGURED"


class CollectionNotReadyError(ConflictError):
    """The collection has not ended, or has come to nothing; `details.status` says which."""

    code = "COLLECTION_NOT_READY"


def addresses(rt: Runtime) -> dict[str, str]:
    """Portal to API address. Tenants choose by name alone: no address of theirs is ever asked."""
    return ALLOWED_PORTALS | settings_of(rt).netlife_portals


def _box(rt: Runtime) -> SecretBox:
    secret = settings_of(rt).jwt_secret.get_secret_value()
    return SecretBox(derive_key(secret, "netlife portal credentials"))


def _place(tenant_id: UUID, portal: str) -> str:
    return f"netlife_portal/{tenant_id}/{portal}"


def portal_out(row: dict[str, Any]) -> PortalOut:
    return PortalOut(brand=brand_of(row["portal"]), **row)


async def put_portal(rt: Runtime, tx: Tx, user_id: UUID, body: PortalIn) -> PortalOut:
    """Raises ValidationError for a portal that is not known."""
    if body.portal not in addresses(rt):
        known = ", ".join(sorted(addresses(rt)))
        raise ValidationError(f"There is no such portal; known: {known}", field="portal")
    pair = [body.username.get_secret_value(), body.password.get_secret_value()]
    sealed = _box(rt).seal(json.dumps(pair).encode(), _place(tx.tenant, body.portal))
    row = await repository.put_portal(tx, tx.tenant, body.portal, sealed, body.access_key_path, user_id)
    return portal_out(row)


async def delete_portals(tx: Tx, name: str | None) -> list[str]:
    """Raises NotFoundError when there is none to delete."""
    deleted = await repository.delete_portals(tx, tx.tenant, name)
    if not deleted:
        raise NotFoundError("There is no such portal" if name else "There are no portals")
    return deleted


async def client_for(
    rt: Runtime, tx: Tx, name: str, performance: Performance = PERFORMANCE_CONFIG
) -> NetlifeAPIClient:
    """A client with the tenant's credentials. Raises PortalNotConfiguredError."""
    row = await repository.portal(tx, tx.tenant, name)
    address = addresses(rt).get(name)
    if row is None or address is None:
        raise PortalNotConfiguredError("There are no credentials for this portal", field="portal")
    username, password = json.loads(_box(rt).open(row["credentials"], _place(tx.tenant, name)))
    return NetlifeAPIClient(
        name,
        address,
        username,
        password,
        performance=performance,
        access_key_path=row["access_key_path"],
    )


async def start(rt: Runtime, tx: Tx, user_id: UUID, body: CollectIn) -> CollectAccepted:
    """Enqueue a collection. Raises PortalNotConfiguredError, JobAlreadyActive while the portal is read, and
    TemplateSyntaxError for a text that cannot be read, UnknownTagsError for tags that its campaign excludes.
    """
    if await repository.portal(tx, tx.tenant, body.portal) is None:
        raise PortalNotConfiguredError("There are no credentials for this portal", field="portal")
    if wish := body.import_contacts:
        await require_source(tx, tx.tenant, wish.source_id, "import_contacts.source_id")
    if texts := body.sms_campaign:
        says = {"name": "", "sms_text": texts.sms_text, "template_id": None, "language": None}
        await sms.check(tx, tx.tenant, says)
        known = [slug for slug in texts.exclude_tags if slug not in (BUYER, NON_BUYER)]
        await resolve_tags(tx, tx.tenant, [], [], known)
    job = await rt.jobs.enqueue(tx, JOB_TYPE, {}, tenant_id=tx.tenant, unique_key=body.portal)
    await repository.insert_collection(
        tx, tx.tenant, job.id, body.portal, body.model_dump(mode="json"), user_id
    )
    return CollectAccepted(job_id=job.id, status="pending", portal=body.portal)


async def get(tx: Tx, collection_id: UUID) -> dict[str, Any]:
    found = await repository.collection(tx, tx.tenant, collection_id)
    if found is None:
        raise NotFoundError("There is no such collection")
    return found


async def require_csv(tx: Tx, collection_id: UUID) -> None:
    """Raises NotFoundError or CollectionNotReadyError."""
    found = await get(tx, collection_id)
    if found["finished_at"] is None:
        status = found["status"]
        raise CollectionNotReadyError(f"The collection is {status}", details={"status": status})
    if found["file_withdrawn_at"] is not None:
        raise NotFoundError("The file was removed because a contact was erased; collect again")


def csv_parts(text: str) -> Iterator[bytes]:
    """A CSV in compressed parts."""
    for start in range(0, len(text), _PART_CHARACTERS):
        yield zlib.compress(text[start : start + _PART_CHARACTERS].encode())


async def csv_stream(db: SimpleDatabase, tenant_id: UUID, collection_id: UUID) -> AsyncIterator[bytes]:
    """The CSV, part by part."""
    number = 1
    while True:
        async with db.tenant_tx(tenant_id, read_only=True) as tx:
            content = await repository.part(tx, tenant_id, collection_id, number)
        if content is None:
            return
        yield zlib.decompress(content)
        number += 1
