"""Faults the door finds in the shape of a request, before any route is known."""

from __future__ import annotations

from shared.errors import AppError, ValidationError


class MalformedRequestError(ValidationError):
    """The request line, Host, framing or path is not one we pass on."""

    code = "MALFORMED_REQUEST"


class HeadersTooLargeError(AppError):
    """All header lines together pass the limit."""

    status = 431
    code = "HEADERS_TOO_LARGE"


class WebSocketRefusedError(AppError):
    """Told at once: as plain HTTP the request would get an answer that its sender cannot read."""

    status = 501
    code = "WEBSOCKET_NOT_SUPPORTED"
    default_message = "There are no WebSockets here: send plain requests"


class BodyTooSlowError(AppError):
    """The client stopped sending its body; the connection is closed because the rest is not read."""

    status = 408
    code = "REQUEST_TIMEOUT"
    default_message = "The request body did not arrive in time"

    def __init__(self) -> None:
        super().__init__(headers={"Connection": "close"})


class ClientGoneError(Exception):
    """The client closed the connection; nobody is left to answer."""
