"""The contacts' endpoints as one caller uses them."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import httpx


class Contacts:
    """Paths begin below the tenant's contacts."""

    def __init__(self, client: httpx.AsyncClient, tenant: UUID, headers: dict[str, str]) -> None:
        self.client = client
        self.tenant = tenant
        self.headers = headers
        self.base = f"/api/v2/contacts/{tenant}"

    async def post(self, path: str, body: dict[str, Any]) -> httpx.Response:
        return await self.client.post(self.base + path, json=body, headers=self.headers)

    async def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """The data of an answer that must be a success."""
        answer = await self.client.request(method, self.base + path, json=body, headers=self.headers)
        assert answer.is_success, answer.text
        return answer.json()["data"]

    async def create(self, *emails: str, **fields: Any) -> list[str]:
        """Ids of new contacts, all with the same fields."""
        items = [{"email": email, **fields} for email in emails]
        made = await self.call("POST", "/bulk", {"action": "create", "items": items})
        assert made["failed"] == 0, made
        return [result["id"] for result in made["results"]]

    async def all(self) -> dict[str, dict[str, Any]]:
        """Every contact by its address."""
        return {row["email"]: row for row in await self.call("GET", "?limit=200")}

    async def job(self, path: str, **body: Any) -> dict[str, Any]:
        """Start a job and wait for its result."""
        accepted = await self.call("POST", path, body)
        return await self.result(accepted["job_id"])

    async def result(self, job_id: str) -> dict[str, Any]:
        while True:
            answer = await self.client.get(f"/api/v2/jobs/{self.tenant}/{job_id}", headers=self.headers)
            job = answer.json()["data"]
            if job["status"] in ("completed", "failed_permanent", "cancelled"):
                assert job["status"] == "completed", job
                result: dict[str, Any] = job["result"]
                return result
            await asyncio.sleep(0.02)
