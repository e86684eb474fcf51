"""A started app on a database of its own, and short ways to fill it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx

from campaign_service.app import create_app
from campaign_service.consumers import CONSUMERS
from campaign_service.settings import Settings, site_of
from shared.database import SimpleDatabase
from shared.events import catalog, new_event
from shared.events.consumer import Dispatcher
from shared.events.transports.base import Delivery, Outcome, Retry
from shared.models.identity import Role
from shared.testing import FakeClock, TokenMint, runtime_database
from shared.testing.clients import service_client
from shared.utils import uuid7
from shared.web import Runtime

HTML = (
    '<html><body><p>Hello {{ first_name }}</p><a href="https://shop.example.com/one">one</a>'
    '<a href="https://shop.example.com/two?a=1&amp;b=2">two</a><a href="https://shop.example.com/three">three</a>'
    '<a href="{{ unsubscribe_url }}">bye</a></body></html>'
)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@dataclass
class Kit:
    """One tenant's view of the service."""

    client: httpx.AsyncClient
    runtime: Runtime
    db: SimpleDatabase
    mint: TokenMint
    clock: FakeClock
    tenant: UUID

    def headers(self, role: Role = "owner", tenant: UUID | None = None) -> dict[str, str]:
        # The clock stands still however long a test takes, or is moved: the token is made by it, and lasts.
        now = int(self.clock.now().timestamp())
        last = int(time.time()) + 90 * 24 * 3600
        return self.mint.headers(tenant or self.tenant, role, iat=now, exp=last)

    async def request(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        """As this tenant's owner, unless headers are given. Paths below the campaigns begin with their id."""
        kwargs.setdefault("headers", self.headers())
        return await self.client.request(method, path, **kwargs)

    async def campaigns(self, method: str, path: str = "", **kwargs: Any) -> httpx.Response:
        return await self.request(method, f"/api/v2/campaigns/{self.tenant}{path}", **kwargs)

    async def ok(self, method: str, path: str, **kwargs: Any) -> Any:
        """The data of an answer that must be a success."""
        answer = await self.campaigns(method, path, **kwargs)
        assert answer.is_success, answer.text
        return answer.json()["data"] if answer.content else None

    async def stats(self, path: str) -> Any:
        answer = await self.request("GET", f"/api/v2/stats/{self.tenant}/{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    async def fetch(self, sql: str, *args: Any) -> list[dict[str, Any]]:
        async with self.db.tenant_tx(self.tenant) as tx:
            return [dict(row) for row in await tx.fetch(sql, *args)]

    async def execute(self, sql: str, *args: Any) -> None:
        async with self.db.tenant_tx(self.tenant) as tx:
            await tx.execute(sql, *args)

    async def add_tags(self, *slugs: str) -> dict[str, UUID]:
        ids = {slug: uuid7() for slug in slugs}
        for slug, tag_id in ids.items():
            await self.execute(
                "INSERT INTO tag (tenant_id, id, slug, name) VALUES ($1, $2, $3, $3)",
                self.tenant,
                tag_id,
                slug,
            )
        return ids

    async def add_contacts(
        self, number: int, *, status: str = "valid", language: str = "en", prefix: str = "c"
    ) -> list[UUID]:
        ids = [uuid7() for _ in range(number)]
        await self.execute(
            """INSERT INTO contact (tenant_id, id, email, first_name, language, status)
               SELECT $1, u.id, $2 || u.n || '@Example.com', 'Ann' || u.n, $3, $4
               FROM unnest($5::uuid[]) WITH ORDINALITY AS u (id, n)""",
            self.tenant,
            prefix,
            language,
            status,
            ids,
        )
        return ids

    async def tag(self, tag_id: UUID, contacts: Iterable[UUID]) -> None:
        await self.execute(
            "INSERT INTO contact_tag (tenant_id, tag_id, contact_id) SELECT $1, $2, unnest($3::uuid[])",
            self.tenant,
            tag_id,
            list(contacts),
        )

    async def add_template(self, languages: Sequence[str] = ("en", "fr"), html: str = HTML) -> UUID:
        template_id = uuid7()
        await self.execute(
            "INSERT INTO template (tenant_id, id, name, default_language) VALUES ($1, $2, $3, $4)",
            self.tenant,
            template_id,
            f"template {template_id}",
            languages[0],
        )
        for language in languages:
            await self.execute(
                """INSERT INTO template_content (tenant_id, template_id, version, language, subject, html)
                   VALUES ($1, $2, 1, $3, $4, $5)""",
                self.tenant,
                template_id,
                language,
                f"[{language}] Hello {{{{ first_name }}}}",
                html,
            )
        return template_id

    async def create(self, **fields: Any) -> Any:
        """A draft campaign, by HTTP; a template is made when none is given."""
        body = {"name": "Spring", **fields}
        if "template_id" not in body:
            body["template_id"] = str(await self.add_template())
        answer = await self.request("POST", "/api/v2/campaigns", json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()["data"]

    async def started(self, contacts: int = 3, **fields: Any) -> UUID:
        """A campaign that is being sent to `contacts` new people."""
        await self.add_contacts(contacts, prefix=f"p{uuid7().hex[-6:]}")
        campaign = await self.create(**fields)
        await self.ok("POST", f"/{campaign['id']}/send")
        return UUID(campaign["id"])

    async def accepted(self, contacts: int = 3, **fields: Any) -> UUID:
        """A campaign of which the mail server has taken every mail, counted as the sender counts."""
        campaign_id = await self.started(contacts, **fields)
        await self.execute(
            """UPDATE campaign_recipient SET state = 'accepted', accepted_at = $3
               WHERE tenant_id = $1 AND campaign_id = $2 AND state = 'queued'""",
            self.tenant,
            campaign_id,
            self.clock.now(),
        )
        await self.execute(
            """INSERT INTO campaign_stats AS s (tenant_id, campaign_id, day, sent)
               SELECT $1, $2, ($3::timestamptz AT TIME ZONE 'UTC')::date, count(*) FROM campaign_recipient
               WHERE tenant_id = $1 AND campaign_id = $2 AND state = 'accepted'
               ON CONFLICT (tenant_id, campaign_id, day) DO UPDATE SET sent = s.sent + excluded.sent""",
            self.tenant,
            campaign_id,
            self.clock.now(),
        )
        return campaign_id

    async def recipients(self, campaign_id: UUID | str) -> list[dict[str, Any]]:
        return await self.fetch(
            "SELECT * FROM campaign_recipient WHERE tenant_id = $1 AND campaign_id = $2 ORDER BY contact_id",
            self.tenant,
            UUID(str(campaign_id)),
        )

    async def counts(self, campaign_id: UUID | str) -> dict[str, int]:
        """The campaign's figures that are not zero."""
        rows = await self.fetch(
            "SELECT * FROM campaign_stats WHERE tenant_id = $1 AND campaign_id = $2",
            self.tenant,
            UUID(str(campaign_id)),
        )
        names = [name for row in rows[:1] for name in row if name not in ("tenant_id", "campaign_id", "day")]
        sums = {name: sum(row[name] for row in rows) for name in names}
        return {name: number for name, number in sums.items() if number}

    async def published(self, event_type: str) -> list[dict[str, Any]]:
        """Subject and data of each event of a type, wherever it is on its way."""
        async with self.db.system_tx() as tx:
            rows = await tx.fetch(
                """SELECT id, subject, data FROM outbox WHERE type = $1 AND tenant_id = $2
                   UNION ALL SELECT id, subject, data FROM bus.event WHERE type = $1 AND tenant_id = $2""",
                event_type,
                self.tenant,
            )
        return [dict(row) for row in sorted(rows, key=lambda row: row["id"])]

    def ref(self, campaign_id: UUID, contact_id: UUID) -> str:
        return site_of(self.runtime).refs.make(campaign_id, contact_id, 0)

    def token(self, campaign_id: UUID, contact_id: UUID) -> str:
        return site_of(self.runtime).token(self.tenant, campaign_id, contact_id)

    async def webhook(self, source: str, body: str, tenant: UUID | None = None) -> Outcome:
        """A delivery webhook as the event bus brings it; each call is another event."""
        consumer = next(c for c in CONSUMERS if f"webhook.{source}.received.v1" in c.types)
        data = {
            "inbound_id": uuid7(),
            "source_type": source,
            "content_type": "text/csv",
            "body": body,
            "received_at": self.clock.now(),
        }
        event = new_event(
            f"webhook.{source}.received.v1", data, tenant_id=tenant or self.tenant, source="/gateway"
        )
        outcome = await Dispatcher(consumer, self.db, self.runtime)(Delivery(event, 0))
        assert not isinstance(outcome, Retry), outcome.error
        return outcome


@asynccontextmanager
async def open_kit(
    dsn: str, mint: TokenMint, tenant: UUID, *, sending_dns: str = "off"
) -> AsyncIterator[Kit]:
    """The app in role `api`: nothing is sent and nothing happens by itself."""
    settings = Settings(
        python_env="test",
        service_role="api",
        events_url="postgres://",
        jwt_secret="a secret of the tests",
        public_url="http://localhost:8000",
        sending_dns=sending_dns,
        provider_private_hosts=["127.0.0.1"],
    )
    clock = FakeClock(datetime.now(UTC))
    app = create_app(settings)
    db = runtime_database(dsn, "campaign")
    await db.connect()
    try:
        async with service_client(app, db, mint, clock) as client:
            await _keep_events(db)
            yield Kit(client, app.state.runtime, db, mint, clock, tenant)
    finally:
        await db.close()


async def _keep_events(db: SimpleDatabase) -> None:
    """Somebody listens to everything, so that the bus keeps it."""
    async with db.system_tx() as tx:
        await tx.execute(
            "INSERT INTO bus.subscription SELECT 'test.reader', unnest($1::text[]) ON CONFLICT DO NOTHING",
            [*catalog.CATALOG],
        )
