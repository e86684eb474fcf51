"""Whether what the service needs works, truly asked."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from property_service.admin import repository
from property_service.admin.schemas import Component, Components, HealthOut
from shared.config import get_service_url
from shared.errors import AppError
from shared.web import Runtime


async def check(rt: Runtime, tenant_id: UUID) -> HealthOut:
    """Database, event bus and mail server, the last through campaign-service, which alone sends."""
    has_database = await rt.db.health_check()
    components = Components(
        database=await _database(rt, tenant_id, has_database),
        events=await _events(rt, has_database),
        email=(await mail_server(rt))[0],
    )
    parts = (components.database, components.events, components.email)
    works = all(part.status == "ok" for part in parts)
    return HealthOut(status="ok" if works else "degraded", timestamp=rt.clock.now(), components=components)


async def _database(rt: Runtime, tenant_id: UUID, is_there: bool) -> Component:
    if not is_there:
        return Component(status="error", message="The database does not answer")
    async with rt.db.tenant_tx(tenant_id, read_only=True) as tx:
        clients = await repository.client_count(tx, tenant_id)
    return Component(status="ok", message=f"Connected, {clients} total clients")


async def _events(rt: Runtime, has_database: bool) -> Component:
    if not has_database:
        return Component(status="error", message="Events cannot leave without the database")
    found = await rt.events.health()
    return Component(status="ok" if found["connected"] else "error", message=_bus_text(found))


def _bus_text(found: dict[str, Any]) -> str:
    state = "Connected" if found["connected"] else "Not connected"
    return f"{state} over {found['transport']}, {found['backlog']} events wait to leave"


async def mail_server(rt: Runtime) -> tuple[Component, bool]:
    """Whether mails can leave, and whether the mail server's address can be read at all."""
    url = f"{get_service_url('campaign-service')}/internal/mail-server"
    try:
        found = (await rt.http.get(url)).data or {}
    except AppError as error:
        return Component(status="error", message=f"campaign-service cannot tell: {error.message}"), False
    return Component(status=found["status"], message=found["message"]), bool(found["configured"])
