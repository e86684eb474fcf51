"""Making and changing tenants."""

from __future__ import annotations

import re
import secrets
import string
import unicodedata
from datetime import datetime
from uuid import UUID

from auth_service.audit import service as audit
from auth_service.audit.service import Act
from auth_service.context import AuthContext
from auth_service.tenants import repository
from auth_service.tenants.repository import TenantRecord
from auth_service.tenants.schemas import TenantChanges
from shared.database import Tx
from shared.errors import NotFoundError, UnprocessableError
from shared.events import new_event
from shared.events.catalog import TenantUpdated
from shared.utils.ids import uuid7

_NOT_NULL = ("name", "time_zone", "sending_domains", "retention_days")


def slug_of(name: str) -> str:
    """`Café Zoë & Sons` gives `cafe-zoe-sons`; `tenant` when nothing is left."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60].strip("-") or "tenant"


async def create(tx: Tx, tenant_id: UUID, name: str, time_zone: str, now: datetime) -> TenantRecord:
    """A new tenant; a taken slug gets a random ending."""
    slug = slug_of(name)
    while True:
        made = await repository.insert(
            tx, tenant_id=tenant_id, name=name, slug=slug, time_zone=time_zone, now=now
        )
        if made is not None:
            return made
        ending = "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(5))
        slug = f"{slug_of(name)}-{ending}"


def new_id() -> UUID:
    return uuid7()


async def get(tx: Tx, tenant_id: UUID) -> TenantRecord:
    tenant = await repository.get(tx, tenant_id)
    if tenant is None:
        raise NotFoundError
    return tenant


async def change(tx: Tx, auth: AuthContext, tenant_id: UUID, body: TenantChanges, act: Act) -> TenantRecord:
    """Apply the given fields and note the old and new values."""
    wanted = body.model_dump(exclude_unset=True)
    for name in _NOT_NULL:
        if name in wanted and wanted[name] is None:
            raise UnprocessableError(f"{name} cannot be null", field=name)
    before = await get(tx, tenant_id)
    changes = {name: value for name, value in wanted.items() if getattr(before, name) != value}
    if not changes:
        return before
    after = await repository.update(tx, tenant_id, changes, auth.now())
    assert after is not None
    log = {name: {"from": getattr(before, name), "to": value} for name, value in changes.items()}
    await audit.record(
        tx, auth, act, "tenant.updated", tenant_id=tenant_id, target=("tenant", tenant_id), changes=log
    )
    if changes.keys() & {"name", "time_zone"}:
        fact = TenantUpdated(tenant_id=tenant_id, name=after.name, slug=after.slug, time_zone=after.time_zone)
        await auth.events.publish(tx, new_event("auth.tenant.updated.v1", fact, tenant_id=tenant_id))
    return after
