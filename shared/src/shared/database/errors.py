"""What a database error means to a client."""

from __future__ import annotations

import asyncpg

from shared.errors import (
    AppError,
    ConflictError,
    ServiceUnavailableError,
    UnprocessableError,
)

_BUSY = (
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.QueryCanceledError,
    asyncpg.TooManyConnectionsError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.PostgresConnectionError,
)
HANDLED = (asyncpg.PostgresError, asyncpg.InterfaceError)


def translate(error: BaseException) -> AppError | None:
    """The answer for an error that slipped through a repository; None when it is our own mistake.

    Texts of the database stay in the log: they may hold other people's values.
    """
    if isinstance(error, asyncpg.UniqueViolationError | asyncpg.ExclusionViolationError):
        return ConflictError("This already exists")
    if isinstance(error, asyncpg.ForeignKeyViolationError):
        return ConflictError("Something this refers to does not exist, or is still in use")
    if isinstance(error, asyncpg.DataError | asyncpg.NotNullViolationError | asyncpg.CheckViolationError):
        return UnprocessableError("A value cannot be stored")
    if isinstance(error, _BUSY):
        return ServiceUnavailableError("The database is busy; try again", retry_after=1)
    return None
