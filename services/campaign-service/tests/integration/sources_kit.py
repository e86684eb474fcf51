"""Short ways to data sources and the servers they are read from."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import httpx

from tests.simulators.sources import SourceServer


class Sources:
    """The endpoints as one caller uses them."""

    def __init__(self, client: httpx.AsyncClient, tenant: UUID, headers: dict[str, str]) -> None:
        self.client = client
        self.tenant = tenant
        self.headers = headers

    async def request(self, method: str, path: str = "", **kwargs: Any) -> httpx.Response:
        kwargs.setdefault("headers", self.headers)
        return await self.client.request(method, f"/api/v2/data-sources/{self.tenant}{path}", **kwargs)

    async def post(self, name: str, kind: str, **settings: Any) -> httpx.Response:
        body = {"name": name, "type": kind, "settings": settings}
        return await self.client.post("/api/v2/data-sources", json=body, headers=self.headers)

    async def create(self, name: str, kind: str, **settings: Any) -> str:
        answer = await self.post(name, kind, **settings)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["data"]["id"])

    async def of(self, server: SourceServer, **settings: Any) -> str:
        """A source that is read from the server, in pages of 100."""
        given = {
            "url": server.address,
            "secret": server.secret,
            "page_size": 100,
            "requests_per_minute": 6000,
        }
        return await self.create(f"From {server.style}", server.style, **(given | settings))

    async def get(self, source_id: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self.request("GET", f"/{source_id}")).json()["data"]
        return found

    async def sync(self, source_id: str, **body: Any) -> dict[str, Any]:
        """The report of a sync, once it has ended."""
        answer = await self.request("POST", f"/{source_id}/sync", json=body)
        assert answer.status_code == 202, answer.text
        return await self.ended(source_id)

    async def ended(self, source_id: str) -> dict[str, Any]:
        while True:
            found: dict[str, Any] | None = (await self.get(source_id))["last_sync"]
            # A job that waits for its next attempt keeps the error of the one before.
            if found and (found["status"] not in ("pending", "running") or found["error"]):
                if found["status"] == "completed":
                    await self._job_ended(found["job_id"])
                return found
            await asyncio.sleep(0.02)

    async def _job_ended(self, job_id: str) -> None:
        """The job ends after its report does, and only then there may be another one."""
        while True:
            answer = await self.client.get(f"/api/v2/jobs/{self.tenant}/{job_id}", headers=self.headers)
            if answer.json()["data"]["status"] not in ("pending", "running"):
                return
            await asyncio.sleep(0.02)

    async def contacts(self, **params: Any) -> dict[str, dict[str, Any]]:
        answer = await self.client.get(
            f"/api/v2/contacts/{self.tenant}", params={"limit": 200} | params, headers=self.headers
        )
        return {row["email"]: row for row in answer.json()["data"]}

    async def rejections(self, import_id: str) -> list[tuple[int, str]]:
        answer = await self.client.get(
            f"/api/v2/contacts/{self.tenant}/imports/{import_id}/rejections", headers=self.headers
        )
        return [(row["line_number"], row["reason_code"]) for row in answer.json()["data"]]


def counts(report: dict[str, Any]) -> dict[str, int]:
    """The figures of a report that are not zero."""
    names = ("total", "created", "updated", "unchanged", "duplicate", "rejected")
    return {name: report[name] for name in names if report[name]}
