"""Shapes of allocations."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field, model_validator

from code_service.codes.lifecycle import Status
from code_service.codes.schemas import Body, CodeType, Line, Pool

MAX_BATCH = 1000
Seconds = Annotated[int, Field(ge=1, le=30 * 24 * 3600)]


class AllocateIn(Body):
    """For whom, and for how long.

    With `ttl_seconds` the code is only reserved: it goes back when the time is over and it was not used.
    """

    recipient: Line | None = None
    order_id: Line | None = None
    ttl_seconds: Seconds | None = None


class BatchIn(Body):
    """Many codes at once. With `partial`, fewer than `count` are better than none."""

    type: CodeType = "discount"
    pool: Pool = "default"
    count: Annotated[int, Field(ge=1, le=MAX_BATCH)]
    mark_used: bool = False
    partial: bool = False
    recipient: Line | None = None
    order_id: Line | None = None
    ttl_seconds: Seconds | None = None

    @model_validator(mode="after")
    def _used_or_reserved(self) -> BatchIn:
        if self.mark_used and self.ttl_seconds is not None:
            raise ValueError("a code is used or reserved for a time, not both")
        return self


class InternalAllocateIn(BatchIn):
    """What another service asks for. The same `idempotency_key` of a tenant gets the same codes."""

    tenant_id: UUID
    idempotency_key: Annotated[str, Field(min_length=1, max_length=255)] | None = None


class InternalReleaseIn(Body):
    """Codes that another service was given under `order_id` and has no use for."""

    tenant_id: UUID
    order_id: Line
    codes: Annotated[list[Annotated[str, Field(max_length=64)]], Field(min_length=1, max_length=MAX_BATCH)]
    reason: Line | None = None


class Released(BaseModel):
    released: int


class LongestCode(BaseModel):
    """The longest of the first free codes of a pool, None when it has none; `free` counts them up to the
    number that was asked for.
    """

    code: str | None
    free: int | None = None


class AllocatedCode(BaseModel):
    """`status` is the one the code has now, which a repeated request may find changed."""

    code: str
    id: UUID
    allocated_at: datetime | None
    status: Status
    reserved_until: datetime | None
    expires_at: datetime | None


class AllocatedBatch(BaseModel):
    """`missing` is how many fewer than wanted there are."""

    codes: list[AllocatedCode]
    missing: int
