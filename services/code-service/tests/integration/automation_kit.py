"""Automation jobs as one caller starts them, and their files."""

from __future__ import annotations

import csv
import io
from typing import Any

import httpx

from .codes_kit import Codes
from .test_generation import finished


class Automation:
    """Jobs of one tenant over HTTP."""

    def __init__(self, codes: Codes) -> None:
        self.codes = codes

    async def post(self, path: str, *, key: str | None = None, **sent: Any) -> httpx.Response:
        """With `files` a form is sent, else JSON; `data` or `json` are its values."""
        headers = self.codes.headers | ({"Idempotency-Key": key} if key else {})
        return await self.codes.client.post(f"/automation/{path}", headers=headers, **sent)

    async def start(
        self, path: str, text: str | bytes, *, role: str = "file", **values: Any
    ) -> dict[str, Any]:
        """Upload one file; what was accepted."""
        answer = await self.post(path, data=values, files={role: ("codes.csv", text)})
        assert answer.status_code == 202, answer.text
        accepted: dict[str, Any] = answer.json()["data"]
        return accepted

    async def run(self, path: str, text: str | bytes, **values: Any) -> dict[str, Any]:
        """The job once it has ended."""
        accepted = await self.start(path, text, **values)
        return await finished(self.codes, accepted["job_id"])

    async def download(self, job_id: str, name: str) -> httpx.Response:
        return await self.codes.call("GET", f"/batch-jobs/{job_id}/artifacts/{name}")

    async def table(self, job_id: str, name: str) -> list[dict[str, str]]:
        answer = await self.download(job_id, name)
        assert answer.status_code == 200, answer.text
        return list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))

    async def names(self, job_id: str) -> list[str]:
        return [one["name"] for one in await self.codes.data("GET", f"/batch-jobs/{job_id}/artifacts")]

    async def rows(self, job_id: str, state: str = "") -> list[tuple[int, str, str, str | None]]:
        """Line, code, state and reason."""
        query = f"?limit=200&state={state}" if state else "?limit=200"
        rows = await self.codes.data("GET", f"/batch-jobs/{job_id}/rows{query}")
        return [(row["line"], row["code"], row["state"], row["reason"]) for row in rows]
