"""Deleting what nobody can use any more."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import cast

import structlog

from auth_service.context import AuthContext
from auth_service.limits import repository as limits
from auth_service.one_time import repository as one_time
from auth_service.sessions import repository as sessions
from shared.web import Runtime

_PERIOD_SECONDS = 3600.0
# Ended sessions tell for a while from which networks an account was used.
_KEEP_SESSIONS = timedelta(days=90)
_KEEP_TOKENS = timedelta(days=1)
_log = structlog.get_logger()


async def clean(auth: AuthContext) -> dict[str, int]:
    """Rows deleted by kind."""
    now = auth.now()
    async with auth.db.system_tx() as tx:
        deleted = {
            "sessions": await sessions.purge(tx, now - _KEEP_SESSIONS),
            "mailed_links": await one_time.purge(tx, now - _KEEP_TOKENS),
            "login_throttles": await limits.forget_old(tx, now),
        }
    _log.info("expired rows deleted", **deleted)
    return deleted


async def run(rt: Runtime, stop: asyncio.Event) -> None:
    """Every hour until `stop`."""
    auth = cast(AuthContext, rt.extras["auth"])
    while not stop.is_set():
        await clean(auth)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _PERIOD_SECONDS)
