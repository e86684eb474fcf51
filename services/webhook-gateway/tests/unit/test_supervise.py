"""When the gateway gives a proxied request up."""

from __future__ import annotations

import asyncio

import pytest
from starlette.types import Message

from webhook_gateway.edge.body import RequestBody
from webhook_gateway.proxy.supervise import Supervisor

pytestmark = pytest.mark.unit


async def test_silence_of_the_client_is_not_that_of_the_service() -> None:
    messages: asyncio.Queue[Message] = asyncio.Queue()
    body = RequestBody(messages.get, {b"content-length": b"2"}, 10, patience=60)
    supervisor = Supervisor(messages.get, body, patience=0.1, total=None)

    def reason() -> str | None:
        return supervisor.reason

    reading = asyncio.create_task(body.next_piece())
    await asyncio.sleep(0.4)
    assert reason() is None

    messages.put_nowait({"type": "http.request", "body": b"ab", "more_body": False})
    assert await reading == b"ab"
    with pytest.raises(asyncio.CancelledError):
        await asyncio.sleep(60)
    assert reason() == "timeout"
    supervisor.stop()
