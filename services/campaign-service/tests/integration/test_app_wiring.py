"""The app as it is put together, in each of its roles."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI

from campaign_service.app import create_app
from campaign_service.campaigns import scheduler
from campaign_service.consumers import CONSUMERS
from campaign_service.settings import Settings
from shared.errors import ConfigurationError
from shared.events import catalog

from .campaigns_kit import Kit


def app_for(role: Any) -> FastAPI:
    return create_app(Settings(python_env="test", service_role=role, events_url="postgres://"))


def operations(app: FastAPI) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in app.openapi()["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def test_every_operation_has_an_id_of_its_own_and_says_what_it_answers() -> None:
    ids = [operation["operationId"] for _, _, operation in operations(app_for("all"))]
    assert len(ids) == len(set(ids))
    for method, path, operation in operations(app_for("all")):
        if path.startswith("/api/v2/"):
            assert {"401", "404"} & operation["responses"].keys(), (method, path)


def test_the_seeds_paths_are_there() -> None:
    paths = {(method.upper(), path) for method, path, _ in operations(app_for("api"))}
    root, one = "/api/v2/campaigns/{tenant_id}", "/api/v2/campaigns/{tenant_id}/{campaign_id}"
    seed = {("POST", "/api/v2/campaigns"), ("GET", root), ("GET", one), ("PUT", one), ("DELETE", one)}
    seed |= {("POST", f"{one}/send")}
    figures = ("contacts", "campaigns", "events", "overview", "performance")
    seed |= {("GET", f"/api/v2/stats/{{tenant_id}}/{name}") for name in figures}
    assert seed <= paths


def test_a_worker_serves_no_routes_but_its_health() -> None:
    paths = {path for _, path, _ in operations(app_for("worker"))}
    assert "/health" in paths
    assert not [path for path in paths if path.startswith(("/api", "/t/"))]


def test_placeholder_secrets_are_refused_in_production() -> None:
    with pytest.raises(ConfigurationError, match="JWT_SECRET"):
        Settings(python_env="production")


def test_every_delivery_webhook_of_the_catalog_has_a_consumer() -> None:
    handled = {name for consumer in CONSUMERS for name in consumer.types}
    assert {"webhook.powermta.received.v1", "webhook.mailwizz.received.v1", "message.requested.v1"} <= handled
    assert handled <= set(catalog.CATALOG)


async def test_the_scheduler_starts_what_is_due_and_stops_when_asked(lone_kit: Kit) -> None:
    await lone_kit.add_contacts(1)
    at = lone_kit.clock.now() + timedelta(seconds=10)
    campaign = await lone_kit.create(scheduled_at=at.isoformat())
    await lone_kit.ok("POST", f"/{campaign['id']}/schedule")
    lone_kit.clock.advance(11)
    stop = asyncio.Event()
    task = asyncio.create_task(scheduler.run(lone_kit.runtime, stop))
    for _ in range(600):
        if (await lone_kit.ok("GET", f"/{campaign['id']}"))["status"] != "scheduled":
            break
        await asyncio.sleep(0.05)
    stop.set()
    await task
    assert (await lone_kit.ok("GET", f"/{campaign['id']}"))["status"] == "sending"


async def test_partitions_for_coming_months_can_be_made_by_the_runtime_role(lone_kit: Kit) -> None:
    async with lone_kit.db.system_tx() as tx:
        assert await tx.fetchval("SELECT ensure_message_event_partitions(3)") == 0
        assert await tx.fetchval("SELECT ensure_message_event_partitions(5)") == 2
        names = await tx.fetch(
            """SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity AS is_guarded
               FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
               WHERE i.inhparent = 'message_event'::regclass"""
        )
    assert len(names) == 7
    assert all(row["is_guarded"] for row in names)
