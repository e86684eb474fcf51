"""Wiring of the gateway."""

from __future__ import annotations

from shared.web import create_service_app
from webhook_gateway.consumers import CONSUMERS
from webhook_gateway.door import Door
from webhook_gateway.history.routes import router as history_router
from webhook_gateway.parts import GatewayParts
from webhook_gateway.retention import JOBS, SCHEDULES
from webhook_gateway.routing.table import GATEWAY, RoutingTable
from webhook_gateway.settings import GatewaySettings
from webhook_gateway.sources.routes import router as sources_router


def create_app(settings: GatewaySettings) -> Door:
    """The door, with the gateway's own app behind it."""
    parts = GatewayParts(settings, RoutingTable(), lambda: app.openapi())
    app = create_service_app(
        name=GATEWAY,
        config=settings,
        routers=[sources_router, history_router],
        consumers=CONSUMERS,
        jobs=JOBS,
        schedules=SCHEDULES,
        startup=[parts.start],
        shutdown=[parts.stop],
    )
    return Door(app, parts=parts, metrics=app.state.metrics)
