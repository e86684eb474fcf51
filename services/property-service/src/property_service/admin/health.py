"""Whether what the service needs works, truly asked."""

from __future__ import annotations

from typing import Any

from property_service.admin import repository
from property_service.admin.schemas import Component, Components, HealthOut
from shared.config import get_service_url
from shared.database import Tx
from shared.errors import AppError
from shared.web import Runtime


async def check(tx: Tx, rt: Runtime) -> HealthOut:
    """Database, event bus and mail server, the last through campaign-service, which alone sends."""
    clients = await repository.client_count(tx, tx.tenant)
    components = Components(
        database=Component(status="ok", message=f"Connected, {clients} total clients"),
        events=await _events(rt),
        email=(await mail_server(rt))[0],
    )
    works = all(part.status == "ok" for part in (components.database, components.events, components.email))
    return HealthOut(status="ok" if works else "degraded", timestamp=rt.clock.now(), components=components)


async def _events(rt: Runtime) -> Component:
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
