"""The apps of all services on one database, with two tenants that hold the same things."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
from fastapi import FastAPI

from auth_service.app import create_app as create_auth
from auth_service.settings import AuthSettings
from campaign_service.app import create_app as create_campaign
from campaign_service.settings import Settings as CampaignSettings
from code_service.app import create_app as create_code
from code_service.settings import Settings as CodeSettings
from property_service.app import create_app as create_property
from property_service.settings import Settings as PropertySettings
from shared.config import service_spec
from shared.models.identity import Role
from shared.testing.clients import service_client
from shared.testing.databases import runtime_database
from shared.testing.identities import TokenMint
from tests.integration.bodies import MESSAGE, SMS_SETTINGS, TEMPLATE, VARIANTS
from tests.integration.portals import PORTAL, collected, small_portal
from tests.simulators.netlife import running
from webhook_gateway.app import create_app as create_gateway
from webhook_gateway.door import Door
from webhook_gateway.settings import GatewaySettings

App = FastAPI | Door
# There is no mail server, so the sender tries again and again.
_CHANGED_BY_SENDER = {
    "campaign.message": [
        "state",
        "attempts",
        "next_attempt_at",
        "possible_repeats",
        "lease_token",
        "lease_until",
        "last_code",
        "last_detail",
        "accepted_at",
        "updated_at",
    ]
}


def document(app: App) -> dict[str, Any]:
    """The OpenAPI document of a service's own routes."""
    return (app._app if isinstance(app, Door) else app).openapi()


def make_apps(data: Path, portals: dict[str, str] | None = None) -> dict[str, App]:
    """Every service's app, as its `__main__` makes it."""
    campaign = CampaignSettings(
        data_dir=data, service_role="all", netlife_portals=portals or {}, twilio_url="http://127.0.0.1:9"
    )
    return {
        "auth-service": create_auth(
            AuthSettings(argon2_memory_kib=1024, argon2_time_cost=1, argon2_parallelism=1)
        ),
        "campaign-service": create_campaign(campaign),
        "code-service": create_code(CodeSettings(data_dir=data)),
        "property-service": create_property(PropertySettings(data_dir=data)),
        "webhook-gateway": create_gateway(GatewaySettings(rate_limit_requests=100_000)),
    }


@dataclass
class TenantWorld:
    """One tenant: its owner and the ids of what it has, by the name of the path parameter.

    A key like `code-service/job_id` is for one service alone.
    """

    id: UUID
    owner: UUID
    access_token: str
    ids: dict[str, str] = field(default_factory=dict)


@dataclass
class World:
    apps: dict[str, App]
    clients: dict[str, httpx.AsyncClient]
    mint: TokenMint
    dsn: str
    a: TenantWorld
    b: TenantWorld

    def headers(self, tenant: TenantWorld, role: Role = "owner") -> dict[str, str]:
        return self.mint.headers(tenant.id, role, user_id=tenant.owner)

    async def digest(self, tenant: TenantWorld) -> dict[str, str]:
        """One digest a table of what the tenant has; not of counts, which are put together at any time."""
        connection = await asyncpg.connect(self.dsn)
        try:
            tables = await connection.fetch(
                "SELECT table_schema || '.' || table_name AS name FROM information_schema.columns c"
                " JOIN information_schema.tables t USING (table_schema, table_name)"
                " WHERE column_name = 'tenant_id' AND table_type = 'BASE TABLE'"
                " AND table_schema IN ('auth', 'campaign', 'code', 'gateway', 'property')"
                " AND table_name NOT IN ('outbox', 'job') AND table_name NOT LIKE '%\\_figure'"
            )
            return {
                row["name"]: str(
                    await connection.fetchval(
                        f"SELECT md5(coalesce(string_agg(r.text, '|' ORDER BY r.text), '')) FROM"
                        f" (SELECT (to_jsonb(t) - $2::text[])::text FROM {row['name']} t"
                        f" WHERE tenant_id = $1) AS r (text)",
                        tenant.id,
                        _CHANGED_BY_SENDER.get(row["name"], []),
                    )
                )
                for row in tables
            }
        finally:
            await connection.close()


@asynccontextmanager
async def build_world(dsn: str, mint: TokenMint, data: Path) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        portal = await stack.enter_async_context(running(small_portal()))
        apps = make_apps(data, {PORTAL: portal.base_url})
        clients = {}
        for name, app in apps.items():
            db = runtime_database(dsn, service_spec(name).schema)
            await db.connect()
            stack.push_async_callback(db.close)
            clients[name] = await stack.enter_async_context(service_client(app, db, mint))
        tenants = [await _register(clients["auth-service"], who) for who in ("ada", "bea")]
        world = World(apps, clients, mint, dsn, *tenants)
        for tenant in tenants:
            await _furnish(world, tenant)
        yield world


async def _register(auth: httpx.AsyncClient, who: str) -> TenantWorld:
    body = {
        "tenant_name": "Twin Agency",
        "email": f"{who}@example.com",
        "password": "walk-every-road-42",
        "first_name": "Twin",
    }
    made = data_of(await auth.post("/auth/register", json=body))
    return TenantWorld(UUID(made["tenant"]["id"]), UUID(made["user"]["id"]), made["tokens"]["access_token"])


def data_of(answer: httpx.Response) -> Any:
    assert answer.is_success, f"{answer.request.method} {answer.request.url}: {answer.text}"
    return answer.json()["data"] if answer.content else None


async def _furnish(world: World, tenant: TenantWorld) -> None:
    """Make one of everything through the API, with the same natural keys for both tenants."""
    headers = world.headers(tenant)
    campaign, gateway, auth = (
        world.clients[name] for name in ("campaign-service", "webhook-gateway", "auth-service")
    )

    async def make(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> Any:
        return data_of(await client.post(path, json=body, headers=headers))

    own = {"tenant_id": str(tenant.id)}
    tag = await make(campaign, "/api/v2/tags", own | {"slug": "vip", "name": "VIP"})
    people = await _furnish_people(campaign, tenant.id, headers)
    template = await make(campaign, "/api/v2/templates", own | TEMPLATE)
    sent = await make(
        campaign,
        "/api/v2/campaigns",
        own | {"name": "Spring", "template_id": template["id"], "tags_all": ["vip"]},
    )
    await make(campaign, f"/api/v2/campaigns/{tenant.id}/{sent['id']}/variants", VARIANTS)
    suppression = await make(campaign, f"/api/v2/suppressions/{tenant.id}", {"address": "gone@example.com"})
    upload = data_of(
        await campaign.post(
            f"/api/v2/contacts/{tenant.id}/import",
            files={"file": ("c.csv", b"email\nnew@example.com\nbroken\n", "text/csv")},
            headers=headers,
        )
    )
    attachment = data_of(
        await campaign.post(
            f"/api/v2/attachments/{tenant.id}",
            files={"file": ("terms.txt", b"none", "text/plain")},
            headers=headers,
        )
    )
    domain = await make(campaign, f"/api/v2/sending/{tenant.id}/domains", {"domain": "news.example.com"})
    origin = await make(campaign, "/api/v2/data-sources", {"name": "Fair", "type": "csv"})
    tenant.ids = {
        "tenant_id": str(tenant.id),
        "tag_id": tag["id"],
        **people,
        "template_id": template["id"],
        "campaign_id": sent["id"],
        "number": "1",
        "suppression_id": suppression["id"],
        "import_id": upload["import_id"],
        "job_id": upload["job_id"],
        "domain_id": domain["id"],
        "attachment_id": attachment["id"],
        **await _furnish_texts(campaign, tenant.id, headers),
        **await _furnish_webhooks(gateway, headers),
        "campaign-service/source_id": origin["id"],
        **await _furnish_identities(auth, tenant),
        "collect_job_id": await collected(campaign, tenant.id, headers),
        **await _furnish_codes(world, tenant),
        **await _furnish_clients(world, tenant),
    }


async def _furnish_people(
    campaign: httpx.AsyncClient, tenant: UUID, headers: dict[str, str]
) -> dict[str, str]:
    """A contact, and what is said of contacts."""
    base = f"/api/v2/contacts/{tenant}"
    reader = {"email": "reader@example.com", "tags": ["vip"], "first_name": "Zoé", "tenant_id": str(tenant)}
    made = {}
    for noun, path, body in (
        ("contact", "/api/v2/contacts", reader),
        ("segment", f"{base}/segments", {"name": "VIP", "definition": {"tags_all": ["vip"]}}),
        ("field", f"{base}/fields", {"key": "plan", "type": "text"}),
    ):
        answer = await campaign.post(path, json=body, headers=headers)
        made[f"{noun}_id"] = data_of(answer)["id"]
    return made | {"operation_id": await _exported(campaign, base, headers)}


async def _exported(campaign: httpx.AsyncClient, base: str, headers: dict[str, str]) -> str:
    """An export that has ended, so that there is a file."""
    body = {"action": "export", "filter": {}}
    operation_id: str = data_of(await campaign.post(f"{base}/operations", json=body, headers=headers))["id"]
    for _ in range(600):
        found = data_of(await campaign.get(f"{base}/operations/{operation_id}", headers=headers))
        if found["status"] == "completed":
            return operation_id
        await asyncio.sleep(0.05)
    raise AssertionError("the export did not end")


async def _furnish_webhooks(gateway: httpx.AsyncClient, headers: dict[str, str]) -> dict[str, str]:
    body = {"name": "relay", "type": "generic"}
    source = data_of(await gateway.post("/webhook-sources", json=body, headers=headers))
    token = {"X-Webhook-Token": source["token"]}
    received = data_of(await gateway.post("/api/v2/webhooks/generic", json={"hello": 1}, headers=token))
    return {"source_id": source["id"], "event_id": received["event_id"]}


async def _furnish_texts(
    campaign: httpx.AsyncClient, tenant: UUID, headers: dict[str, str]
) -> dict[str, str]:
    data_of(await campaign.put(f"/api/v2/sending/{tenant}/sms", json=SMS_SETTINGS, headers=headers))
    made = {}
    caller = {"customer_phone": "+12025550143"}
    for noun, body in (("conversation", caller), ("lead", caller), ("message", MESSAGE)):
        answer = await campaign.post(f"/api/v2/{noun}s/{tenant}", json=body, headers=headers)
        made[f"{noun}_id"] = data_of(answer)["id"]
    return made


async def _furnish_identities(auth: httpx.AsyncClient, tenant: TenantWorld) -> dict[str, str]:
    # Keys want a session that has just been opened, so this is the token of the registration itself.
    signed_in = {"Authorization": f"Bearer {tenant.access_token}"}
    robot = {"name": "robot", "scopes": ["read"]}
    key = data_of(await auth.post("/api-keys", json=robot, headers=signed_in))["api_key"]
    sessions = data_of(await auth.get("/auth/sessions", headers=signed_in))
    return {"key_id": key["id"], "session_id": sessions[0]["id"], "user_id": str(tenant.owner)}


async def _furnish_codes(world: World, tenant: TenantWorld) -> dict[str, str]:
    codes, headers = world.clients["code-service"], world.headers(tenant)

    async def make(path: str, body: dict[str, Any]) -> Any:
        return data_of(await codes.post(path, json=body, headers=headers))

    # Codes are asked for by their text, which the other tenant may have as well: so each has its own.
    code = await make("/codes", {"code": f"SPRING-{tenant.id}"})
    link = await make("/links", {"url": "https://shop.example.com/spring"})
    bulk = await make("/codes/bulk", {"count": 3, "pool": "spring"})
    await _made(codes, bulk["batch_id"], headers)
    job_id = await _rehearsed(codes, headers)
    order = await _order(world, headers)
    return {
        "code": code["code"],
        "link_id": link["id"],
        "short_id": link["short_id"],
        "batch_id": bulk["batch_id"],
        "code-service/job_id": job_id,
        "artifact": "plan.csv",
        "order_id": order["id"],
    }


async def _order(world: World, headers: dict[str, str]) -> dict[str, Any]:
    """An order, which comes as a webhook over the event bus."""
    gateway, codes = world.clients["webhook-gateway"], world.clients["code-service"]
    source = data_of(
        await gateway.post("/webhook-sources", json={"name": "shop", "type": "make"}, headers=headers)
    )
    event = {"event_id": "e-1", "event_type": "order.created", "order": {"id": "o-1", "total": 5}}
    token = {"x-make-token": source["token"]}
    data_of(await gateway.post("/integrations/make/webhook", json=event, headers=token))
    for _ in range(1200):
        if orders := data_of(await codes.get("/orders", headers=headers)):
            found: dict[str, Any] = orders[0]
            return found
        await asyncio.sleep(0.05)
    raise AssertionError("the order was not recorded")


async def _rehearsed(codes: httpx.AsyncClient, headers: dict[str, str]) -> str:
    """A dry run with a plan, once it has ended."""
    sent: Any = {"data": {"discount_percent": "40"}, "files": {"file": ("new.csv", b"code\nSPRING\n")}}
    accepted = data_of(await codes.post("/automation/fienta/create-codes", headers=headers, **sent))
    job_id: str = accepted["job_id"]
    for _ in range(1200):
        if data_of(await codes.get(f"/batch-jobs/{job_id}", headers=headers))["finished_at"]:
            return job_id
        await asyncio.sleep(0.05)
    raise AssertionError("the dry run did not end")


async def _made(codes: httpx.AsyncClient, batch_id: str, headers: dict[str, str]) -> None:
    """Wait for the batch: the walk compares what is there before it with what is there after it."""
    for _ in range(1200):
        if data_of(await codes.get(f"/codes/batches/{batch_id}", headers=headers))["made"]:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the batch was not made")


async def _furnish_clients(world: World, tenant: TenantWorld) -> dict[str, str]:
    """A client who was given an address. Cities and sales are the same for both tenants."""
    clients, headers = world.clients["property-service"], world.headers(tenant)
    connection = await asyncpg.connect(world.dsn, server_settings={"search_path": "property"})
    try:
        city_id, sale_id = await _open_data(connection)
        body = {"first_name": "Ada", "last_name": "Morel", "email": "ada@example.com"}
        # No report while the walk goes on: the clock would change what the tenant has.
        wants = {
            "chosen_cities": [city_id],
            "property_type_preferences": ["house"],
            "first_report_date": "2099-01-01",
        }
        made = data_of(await clients.post("/admin/clients", json=body | wants, headers=headers))
        await connection.execute(
            """SELECT assign_sales($1, $2, gen_random_uuid(), '{01053}', '{house}',
                                   '2018-01-01', '2020-01-01', 1, 1, NULL, '2026-01-01', now())""",
            tenant.id,
            made["client_id"],
        )
    finally:
        await connection.close()
    return {
        "client_id": made["client_id"],
        "address_id": sale_id,
        **await _furnish_imports(clients, headers),
    }


async def _furnish_imports(properties: httpx.AsyncClient, headers: dict[str, str]) -> dict[str, str]:
    """An import of cities that has ended, and settings that no event replaces any more."""
    brand = {"brand_name": "Twin Agency"}
    data_of(await properties.put("/admin/settings", json=brand, headers=headers))
    file = ("laposte.csv", b"Code_commune_INSEE;Nom_commune;Code_postal\n01004;AMBERIEU EN BUGEY;01500\n")
    accepted = data_of(await properties.post("/api/cities/import", files={"file": file}, headers=headers))
    ids = {f"property-service/{name}": accepted[name] for name in ("import_id", "job_id")}
    for _ in range(1200):
        job = data_of(await properties.get(f"/api/job-status/{accepted['job_id']}", headers=headers))
        if job["status"] == "completed":
            return ids
        await asyncio.sleep(0.05)
    raise AssertionError("the import did not end")


async def _open_data(connection: Any) -> tuple[str, str]:
    """The ids of a city and of a sale in it, made unless they are there."""
    await connection.execute(
        """INSERT INTO city (code, name, search_key, department, source)
           VALUES ('01053', 'Bourg-en-Bresse', '|BOURG EN BRESSE', '01', 'laposte') ON CONFLICT DO NOTHING;
           INSERT INTO sale (id, mutation_id, address_key, city_code, address_raw, sale_date, property_type,
                             nature, parcel, source, source_year)
           SELECT id, id, id, '01053', '1 RUE HAUTE', '2019-01-01', 'house', 'sale', 'A', 'test', 2019
           FROM durable_id('sale') AS id ON CONFLICT DO NOTHING"""
    )
    row = await connection.fetchrow("SELECT id, durable_id('sale') AS sale_id FROM city WHERE code = '01053'")
    return str(row["id"]), str(row["sale_id"])
