"""The endpoints as one caller uses them."""

from __future__ import annotations

from typing import Any

import httpx

from shared.database import SimpleDatabase
from shared.events import repository

SERVICE_KEY = "a key that only the tests use and 32 long"


class Codes:
    """Codes of one tenant over HTTP."""

    def __init__(self, client: httpx.AsyncClient, headers: dict[str, str]) -> None:
        self.client = client
        self.headers = headers

    async def call(self, method: str, path: str, json: Any = None, **headers: str) -> httpx.Response:
        sent = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.request(method, path, json=json, headers=sent)

    async def data(self, method: str, path: str, json: Any = None, **headers: str) -> Any:
        answer = await self.call(method, path, json, **headers)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()["data"]

    async def create(self, code: str, **fields: Any) -> dict[str, Any]:
        made: dict[str, Any] = await self.data("POST", "/codes", {"code": code, **fields})
        return made

    async def fill(self, count: int, **fields: Any) -> set[str]:
        return {(await self.create(f"CODE-{number:04}", **fields))["code"] for number in range(count)}

    async def get(self, code: str) -> dict[str, Any]:
        found: dict[str, Any] = await self.data("GET", f"/codes/{code}")
        return found

    async def history(self, code: str) -> list[tuple[str, str | None, str]]:
        events = await self.data("GET", f"/codes/{code}/events")
        return [(event["action"], event["from_status"], event["to_status"]) for event in events]


def refusal(answer: httpx.Response) -> tuple[int, str]:
    """Status and error code of an answer."""
    return answer.status_code, answer.json()["error"]["code"]


async def told(db: SimpleDatabase) -> list[tuple[str, str]]:
    """Type and code of the events that wait, in order; they wait no longer."""
    async with db.system_tx() as tx:
        events = await repository.claim_outbox(tx, 100)
    return [(event.type, event.data["code"]) for event in sorted(events, key=lambda event: event.id)]
