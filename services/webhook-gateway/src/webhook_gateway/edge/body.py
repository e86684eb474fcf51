"""The request body as a bounded stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

from starlette.types import Message, Receive

from shared.errors import PayloadTooLargeError
from webhook_gateway.edge.errors import BodyTooSlowError, ClientGoneError

_WHOLE_BODY_PATIENCES = 4


class RequestBody:
    """Reads the body once, never holding more than one piece, and refuses more than `limit` bytes.

    `index` holds the request's headers by lower-case name. A client may be silent for `patience` seconds.
    To a caller that handed the stream to somebody else, `failure` tells why it broke, `taken` how many bytes
    were read so far and `is_awaited` that it is the client's turn.
    """

    def __init__(
        self, receive: Receive, index: Mapping[bytes, bytes], limit: int, *, patience: float
    ) -> None:
        self._receive = receive
        self._limit = limit
        self._patience = patience
        self.taken = 0
        declared = index.get(b"content-length")
        self.length = int(declared) if declared is not None and declared.isdigit() else None
        self.is_expected = bool(self.length) or b"transfer-encoding" in index
        self.finished = not self.is_expected
        self.is_awaited = False
        self.failure: Exception | None = None

    def check_declared_length(self) -> None:
        """`PayloadTooLargeError` when Content-Length alone already passes the limit."""
        if self.length is not None and self.length > self._limit:
            raise self._failed(_too_large(self._limit))

    async def next_piece(self) -> bytes:
        """The next piece, possibly empty; `finished` is set with the last one.

        Raises `PayloadTooLargeError`, `BodyTooSlowError` or `ClientGoneError`.
        """
        message = await self._next_message()
        if message["type"] == "http.disconnect":
            raise self._failed(ClientGoneError())
        piece: bytes = message.get("body", b"")
        self.taken += len(piece)
        if self.taken > self._limit:
            raise self._failed(_too_large(self._limit))
        self.finished = not message.get("more_body", False)
        return piece

    async def _next_message(self) -> Message:
        self.is_awaited = True
        try:
            async with asyncio.timeout(self._patience):
                return await self._receive()
        except TimeoutError:
            raise self._failed(BodyTooSlowError()) from None
        finally:
            self.is_awaited = False

    async def stream(self, first_piece: bytes) -> AsyncIterator[bytes]:
        """All pieces from the one already read."""
        if first_piece:
            yield first_piece
        while not self.finished:
            piece = await self.next_piece()
            if piece:
                yield piece

    async def read(self) -> bytes:
        """The whole body, which may take four times the patience. Raises as `next_piece`."""
        self.check_declared_length()
        pieces = []
        loop = asyncio.get_running_loop()
        latest = loop.time() + _WHOLE_BODY_PATIENCES * self._patience
        while not self.finished:
            pieces.append(await self.next_piece())
            if loop.time() > latest and not self.finished:
                raise self._failed(BodyTooSlowError())
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _failed(self, reason: Exception) -> Exception:
        self.failure = reason
        return reason


def _too_large(limit: int) -> PayloadTooLargeError:
    """The connection is closed because the rest is not read."""
    return PayloadTooLargeError(
        f"The request body is larger than {limit} bytes",
        details={"max_bytes": limit},
        headers={"Connection": "close"},
    )
