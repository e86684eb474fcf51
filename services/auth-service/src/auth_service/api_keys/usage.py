"""When keys were last used, written beside the requests and not within them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from auth_service.api_keys import repository
from shared.database import SimpleDatabase

_PERIOD_SECONDS = 5.0
_RESOLUTION = timedelta(minutes=1)
_log = structlog.get_logger()


class KeyUsage:
    """Collects uses and writes each key at most once a minute."""

    def __init__(self, db: SimpleDatabase) -> None:
        self._db = db
        self._written: dict[UUID, datetime] = {}
        self._waiting: dict[UUID, tuple[UUID, datetime]] = {}
        self._task: asyncio.Task[None] | None = None

    def note(self, tenant_id: UUID, key_id: UUID, now: datetime) -> None:
        written = self._written.get(key_id)
        if written is None or now - written >= _RESOLUTION:
            self._waiting[key_id] = (tenant_id, now)

    async def flush(self) -> None:
        """Write what has been collected."""
        waiting, self._waiting = self._waiting, {}
        if not waiting:
            return
        uses = [(tenant_id, key_id, at) for key_id, (tenant_id, at) in sorted(waiting.items())]
        async with self._db.system_tx() as tx:
            await repository.note_use(tx, uses)
        newest = max(at for _, _, at in uses)
        self._written = {key: at for key, at in self._written.items() if newest - at < _RESOLUTION}
        self._written.update({key_id: at for _, key_id, at in uses})

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self._flush_quietly()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_PERIOD_SECONDS)
            await self._flush_quietly()

    async def _flush_quietly(self) -> None:
        try:
            await self.flush()
        except Exception:  # noqa: BLE001  # a lost time of use must never end the task or the shutdown
            _log.warning("times of use of API keys could not be written", exc_info=True)
