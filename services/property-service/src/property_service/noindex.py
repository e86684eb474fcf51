"""No answer of this service may be found by a search engine (French tax procedure code, R*112 A-3)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

_HEADER = (b"x-robots-tag", b"noindex, nofollow, noarchive")


class NoIndexMiddleware:
    """Adds `X-Robots-Tag` to every answer, errors too, so that no router can forget it."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), _HEADER]
            await send(message)

        await self._app(scope, receive, send_marked)
