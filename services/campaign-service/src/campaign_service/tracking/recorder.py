"""Many hits in one transaction: each request waits until the transaction with its hit has been committed.

While one batch is written the next one gathers, so that busy times make larger batches, not more commits on
the same rows of figures. Nothing is answered before it is stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from campaign_service.tracking import service
from campaign_service.tracking.hits import Hit
from shared.web import Runtime

_MOST = 500


class HitRecorder:
    """Records hits of web requests; one per process."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._waiting: list[tuple[Hit, asyncio.Future[str | None]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def record(self, hit: Hit) -> str | None:
        """Store the hit; the URL of its link, None for an open or a link that is not there."""
        future: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((hit, future))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write(), name="hit recorder")
        return await future

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
            await self._settle(batch)

    async def _settle(self, batch: Sequence[tuple[Hit, asyncio.Future[str | None]]]) -> None:
        try:
            urls = await self._store([hit for hit, _ in batch])
        except Exception as error:  # noqa: BLE001  # handed to the requests that wait, which answer with it
            if len(batch) > 1:
                # One hit must not spoil the others; a deadlock with another writer is also over now.
                for single in batch:
                    await self._settle([single])
                return
            _fail(batch[0][1], error)
        else:
            for (_, future), url in zip(batch, urls, strict=True):
                if not future.done():
                    future.set_result(url)

    async def _store(self, hits: Sequence[Hit]) -> list[str | None]:
        async with self._runtime.db.system_tx() as tx:
            recorded = await service.record_hits(tx, self._runtime, hits)
        return [
            _url(recorded.links.get((hit.tenant_id, hit.campaign_id), []), hit.link_index) for hit in hits
        ]


def _url(urls: Sequence[str], index: int | None) -> str | None:
    return urls[index] if index is not None and index < len(urls) else None


def _fail(future: asyncio.Future[str | None], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
