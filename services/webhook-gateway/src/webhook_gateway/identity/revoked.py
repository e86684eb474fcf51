"""Sessions that were ended while their access tokens still run."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from shared.events import MessageContext
from shared.web.runtime import Runtime
from webhook_gateway.identity import repository

POLL_SECONDS = 1.0
# Rows committed late by a slower process carry an earlier time than rows already seen.
_OVERLAP = timedelta(seconds=30)


class RevokedSessions:
    """The deny list of this process, refreshed every second from the table that all processes share."""

    def __init__(self) -> None:
        self._until: dict[str, datetime] = {}
        self._seen_to: datetime | None = None

    def __contains__(self, session_id: str | None) -> bool:
        return session_id is not None and _normal(session_id) in self._until

    def add(self, session_id: UUID, until: datetime) -> None:
        self._until[session_id.hex] = until

    async def refresh(self, runtime: Runtime) -> None:
        """Take in what was revoked since the last time and forget what has ended by itself."""
        now = runtime.clock.now()
        since = self._seen_to - _OVERLAP if self._seen_to else None
        async with runtime.db.plain_tx() as tx:
            for session_id, until in await repository.revoked_since(tx, since, now):
                self.add(session_id, until)
        self._seen_to = now
        self._until = {key: until for key, until in self._until.items() if until > now}


async def record_revocation(ctx: MessageContext) -> None:
    """auth.session.revoked.v1: write it down for all processes of the gateway."""
    data = ctx.event.data
    until = datetime.fromisoformat(data["expires_at"])
    await repository.add_revoked(ctx.tx, UUID(data["session_id"]), until)


def _normal(session_id: str) -> str:
    return session_id.replace("-", "").lower()
