"""What the tests of auth-service do again and again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI

from auth_service.context import AuthContext, RequestInfo
from auth_service.passwords import service as passwords
from auth_service.security.passwords import PasswordHasher, Verification
from auth_service.settings import AuthSettings
from shared.database import SimpleDatabase
from shared.testing import FakeClock
from shared.utils.ids import uuid7

PASSWORD = "violet-otter-mends-kites"
OTHER_PASSWORD = "seven-blue-herons-at-dawn"
SERVICE_KEY = "key-of-the-gateway"
SERVICE = {"X-Service-Key": SERVICE_KEY}


def cheap_settings(**changes: Any) -> AuthSettings:
    """Fast hashing; everything else as in production."""
    values: dict[str, Any] = {
        "python_env": "test",
        "service_role": "api",
        "argon2_time_cost": 1,
        "argon2_memory_kib": 64,
        "argon2_parallelism": 1,
        "internal_service_keys": f"webhook-gateway:{SERVICE_KEY}",
    }
    return AuthSettings.model_validate(values | changes)


class CountingHasher(PasswordHasher):
    """The real hasher, which also counts."""

    def __init__(self, settings: AuthSettings) -> None:
        super().__init__(settings)
        self.verified = 0

    async def verify(self, stored: str | None, password: str) -> Verification:
        result = await super().verify(stored, password)
        self.verified += 1
        return result


@dataclass
class Person:
    """Somebody who is signed in."""

    email: str
    password: str
    id: UUID
    tenant_id: UUID
    access_token: str
    refresh_token: str
    session_id: UUID
    body: dict[str, Any] = field(repr=False)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access_token}"}


def person(email: str, password: str, answer: httpx.Response) -> Person:
    data = answer.json()["data"]
    tokens = data["tokens"]
    return Person(
        email=email,
        password=password,
        id=UUID(data["user"]["id"]),
        tenant_id=UUID(data["tenant"]["id"]),
        access_token=tokens["access_token"],
        refresh_token=tokens["refresh_token"],
        session_id=UUID(tokens["session_id"]),
        body=data,
    )


class Accounts:
    """Drives the service through its HTTP routes."""

    def __init__(self, client: httpx.AsyncClient, app: FastAPI, db: SimpleDatabase, clock: FakeClock) -> None:
        self.client = client
        self.db = db
        self.clock = clock
        self.app = app

    @property
    def auth(self) -> AuthContext:
        context: AuthContext = self.app.state.runtime.extras["auth"]
        return context

    async def register(
        self, email: str | None = None, *, tenant: str = "Northwind", verify: bool = True
    ) -> Person:
        address = email or f"{uuid7().hex}@example.com"
        body = {
            "tenant_name": tenant,
            "email": address,
            "password": PASSWORD,
            "first_name": "Ada",
            "last_name": "Byron",
        }
        answer = await self.client.post("/auth/register", json=body)
        assert answer.status_code == 201, answer.text
        made = person(address, PASSWORD, answer)
        if verify:
            token = await self.mailed_token("auth.verify_email", made.tenant_id)
            proof = await self.client.post("/auth/verify-email", json={"token": token})
            assert proof.status_code == 200, proof.text
        return made

    async def login(self, email: str, password: str = PASSWORD, **headers: str) -> httpx.Response:
        return await self.client.post(
            "/auth/login", json={"email": email, "password": password}, headers=headers
        )

    async def signed_in(self, email: str, password: str = PASSWORD) -> Person:
        answer = await self.login(email, password)
        assert answer.status_code == 200, answer.text
        return person(email, password, answer)

    async def add_member(self, owner: Person, role: str) -> Person:
        """A member of the owner's tenant, made the way another service does, and signed in."""
        email = f"{uuid7().hex}@example.com"
        body = {"tenant_id": str(owner.tenant_id), "email": email, "password": PASSWORD, "role": role}
        answer = await self.client.post("/internal/users", json=body, headers=SERVICE)
        assert answer.status_code == 201, answer.text
        return await self.signed_in(email)

    async def refresh(self, token: str) -> httpx.Response:
        return await self.client.post("/auth/refresh", json={"refresh_token": token})

    async def events(self, kind: str, tenant_id: UUID | None = None) -> list[dict[str, Any]]:
        """Data of what was published, oldest first."""
        async with self.db.system_tx() as tx:
            rows = await tx.fetch(
                """SELECT data FROM outbox WHERE type = $1 AND ($2::uuid IS NULL OR tenant_id = $2)
                   ORDER BY id""",
                kind,
                tenant_id,
            )
        return [row["data"] for row in rows]

    async def mails(self, template: str, tenant_id: UUID | None = None) -> list[dict[str, Any]]:
        wanted = await self.events("message.requested.v1", tenant_id)
        return [mail for mail in wanted if mail["template"] == template]

    async def mailed_token(self, template: str, tenant_id: UUID | None = None) -> str:
        """The token of the latest mail of a kind."""
        url: str = (await self.mails(template, tenant_id))[-1]["variables"]["url"]
        return url.partition("#token=")[2]

    async def forgot(self, email: str) -> httpx.Response:
        """Ask for a reset and do at once what the job would do."""
        answer = await self.client.post("/auth/password/forgot", json={"email": email})
        async with self.db.system_tx() as tx:
            rows = await tx.fetch("DELETE FROM job WHERE type = $1 RETURNING payload", passwords.RESET_JOB)
            for row in rows:
                origin = RequestInfo(**row["payload"]["origin"])
                await passwords.send_reset(tx, self.auth, row["payload"]["email"], origin)
        return answer

    async def audit(self, tenant_id: UUID) -> list[str]:
        """Actions in the order they were written."""
        async with self.db.tenant_tx(tenant_id) as tx:
            rows = await tx.fetch("SELECT action FROM audit_log WHERE tenant_id = $1 ORDER BY id", tenant_id)
        return [row["action"] for row in rows]

    async def is_valid(self, access_token: str) -> bool:
        """What /auth/validate says of a token."""
        answer = await self.client.post(
            "/auth/validate", json={}, headers={"Authorization": f"Bearer {access_token}"}
        )
        return answer.status_code == 200 and bool(answer.json()["data"]["valid"])


def code(answer: httpx.Response) -> str:
    """The code of a refusal, after checking its envelope."""
    body = answer.json()
    assert body["success"] is False
    assert body["error"]["correlation_id"] == answer.headers["x-request-id"]
    result: str = body["error"]["code"]
    return result
