"""The background task that keeps the rotation going."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import cast

import structlog

from auth_service.context import AuthContext
from auth_service.signing_keys import service
from shared.web import Runtime

_PERIOD_SECONDS = 60.0
_log = structlog.get_logger()


async def rotate_once(auth: AuthContext) -> None:
    async with auth.db.plain_tx() as tx:
        steps = await service.advance(tx, auth.settings, auth.now())
    if steps:
        auth.keyring.forget()
        _log.info("signing keys moved on", steps=[f"{step.action} {step.kid}".strip() for step in steps])


async def run(rt: Runtime, stop: asyncio.Event) -> None:
    """Every minute until `stop`. Any number of processes may run it."""
    auth = cast(AuthContext, rt.extras["auth"])
    while not stop.is_set():
        await rotate_once(auth)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _PERIOD_SECONDS)
