"""The one shape of every JSON answer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, Field

from shared.errors import AppError, error_class_for_status

T = TypeVar("T")


def _now() -> datetime:
    return datetime.now(UTC)


class ErrorDetails(BaseModel):
    """`code` comes from a closed list; `field` names the input at fault."""

    code: str
    message: str
    field: str | None = None
    details: dict[str, Any] | None = None
    correlation_id: str | None = None


class ApiResponse(BaseModel, Generic[T]):
    """Success: `data` and, for lists, `meta`. Failure: `error`."""

    success: bool
    data: T | None = None
    message: str | None = None
    meta: dict[str, Any] | None = None
    error: ErrorDetails | None = None
    timestamp: datetime = Field(default_factory=_now)


class PaginatedResponse(BaseModel, Generic[T]):
    """A numbered page, for lists that know their total."""

    data: list[T]
    total: int
    page: int
    limit: int
    has_next: bool
    has_previous: bool


class ErrorResponse(BaseModel):
    """Documentation model of every failure."""

    success: bool = False
    error: ErrorDetails
    timestamp: datetime = Field(default_factory=_now)


def success_response(
    data: T, message: str | None = None, meta: dict[str, Any] | None = None
) -> ApiResponse[T]:
    """Wrap a result. `meta` carries paging facts."""
    return ApiResponse(success=True, data=data, message=message, meta=meta)


def page_response(items: Sequence[T], *, next_cursor: str | None, limit: int) -> ApiResponse[list[T]]:
    """One page of a keyset list; `next_cursor` is null on the last one."""
    meta = {"next_cursor": next_cursor, "has_more": next_cursor is not None, "limit": limit}
    return ApiResponse(success=True, data=list(items), meta=meta)


def error_response(
    message: str,
    *,
    code: str | None = None,
    field: str | None = None,
    details: dict[str, Any] | None = None,
    correlation_id: str | None = None,
) -> ApiResponse[None]:
    """The error envelope. `code` and `field` may also be given inside `details`."""
    rest = dict(details or {})
    error = ErrorDetails(
        code=code or rest.pop("code", None) or "VALIDATION_ERROR",
        message=message,
        field=field or rest.pop("field", None),
        details=rest or None,
        correlation_id=correlation_id,
    )
    return ApiResponse(success=False, error=error)


def error_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route, for the statuses it can fail with."""
    return {
        status: {"model": ErrorResponse, "description": _describe(error_class_for_status(status))}
        for status in statuses
    }


def _describe(kind: type[AppError]) -> str:
    return kind.default_message if kind.default_message != AppError.default_message else kind.code
