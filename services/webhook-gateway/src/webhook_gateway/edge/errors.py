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


class ClientGoneError(Exception):
    """The client closed the connection; nobody is left to answer."""
