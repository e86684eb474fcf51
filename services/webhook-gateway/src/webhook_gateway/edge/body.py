"""The request body as a bounded stream."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping

from starlette.types import Receive

from shared.errors import PayloadTooLargeError
from webhook_gateway.edge.errors import ClientGoneError


class RequestBody:
    """Reads the body once, never holding more than one piece, and refuses more than `limit` bytes.

    `index` holds the request's headers by lower-case name. `too_large` and `client_gone` tell a caller that
    handed the stream to somebody else why it broke.
    """

    def __init__(self, receive: Receive, index: Mapping[bytes, bytes], limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self._taken = 0
        declared = index.get(b"content-length")
        self.length = int(declared) if declared is not None and declared.isdigit() else None
        self.is_expected = bool(self.length) or b"transfer-encoding" in index
        self.finished = not self.is_expected
        self.too_large = False
        self.client_gone = False

    def check_declared_length(self) -> None:
        """`PayloadTooLargeError` when Content-Length alone already passes the limit."""
        if self.length is not None and self.length > self._limit:
            raise self.refusal()

    async def next_piece(self) -> bytes:
        """The next piece, possibly empty; `finished` is set with the last one.

        Raises `PayloadTooLargeError` or `ClientGoneError`.
        """
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.client_gone = True
            raise ClientGoneError
        piece: bytes = message.get("body", b"")
        self._taken += len(piece)
        if self._taken > self._limit:
            raise self.refusal()
        self.finished = not message.get("more_body", False)
        return piece

    async def stream(self, first_piece: bytes, on_progress: Callable[[], None]) -> AsyncIterator[bytes]:
        """All pieces from the one already read; `on_progress` runs before each wait for the client."""
        if first_piece:
            yield first_piece
        while not self.finished:
            on_progress()
            piece = await self.next_piece()
            if piece:
                yield piece
        on_progress()

    async def read(self) -> bytes:
        """The whole body. Raises as `next_piece`."""
        self.check_declared_length()
        pieces = []
        while not self.finished:
            pieces.append(await self.next_piece())
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def refusal(self) -> PayloadTooLargeError:
        """The error for a body above the limit; the connection is closed because the rest is not read."""
        self.too_large = True
        return PayloadTooLargeError(
            f"The request body is larger than {self._limit} bytes",
            details={"max_bytes": self._limit},
            headers={"Connection": "close"},
        )
