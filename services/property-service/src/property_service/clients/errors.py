"""Errors of clients, each with a code of its own."""

from __future__ import annotations

from shared.errors import ConflictError, ValidationError


class ClientExistsError(ConflictError):
    code = "CLIENT_EXISTS"
    default_message = "Another client has this e-mail address"

    def __init__(self) -> None:
        super().__init__(field="email")


class SeatExistsError(ConflictError):
    code = "SEAT_EXISTS"
    default_message = "A seat of another client has one of these e-mail addresses"

    def __init__(self) -> None:
        super().__init__(field="seats")


class UnknownCityError(ValidationError):
    """`details["unknown"]` lists the ids that are no city."""

    code = "UNKNOWN_CITY"
