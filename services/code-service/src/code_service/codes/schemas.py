"""Shapes of codes in requests and answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from code_service.codes.lifecycle import Status
from code_service.orders.values import as_utc

CODE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
METADATA_BYTES = 8 * 1024
#: `GET /codes/export.csv`, `GET /codes/batches/…` and the like are paths of their own.
RESERVED = frozenset(("BATCHES", "EXPORT.CSV", "EXPORT.XLSX"))


def _not_reserved(code: str) -> str:
    if code.upper() in RESERVED:
        raise ValueError("this is the name of a path and cannot be a code")
    return code


def _small(metadata: dict[str, Any]) -> dict[str, Any]:
    try:
        written = orjson.dumps(metadata)
    except orjson.JSONEncodeError as error:
        raise ValueError(f"metadata cannot be kept: {error}") from None
    if len(written) > METADATA_BYTES or b"\\u0000" in written:
        raise ValueError(f"metadata may have at most {METADATA_BYTES} bytes of JSON and no NUL characters")
    return metadata


CodeText = Annotated[
    str, StringConstraints(strip_whitespace=True, pattern=CODE_PATTERN), AfterValidator(_not_reserved)
]
CodeType = Literal["discount", "free_ticket", "upgrade"]
SyncState = Literal["none", "pending", "pushing", "synced", "failed", "drift"]
Moment = Annotated[AwareDatetime, AfterValidator(as_utc)]
Pool = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+([_-][a-z0-9]+)*$", max_length=64)]
Line = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]*$"),
]
Part = Annotated[str, StringConstraints(max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$")]
Limit = Annotated[int, Field(ge=1, le=1_000_000)]
Metadata = Annotated[dict[str, Any], AfterValidator(_small)]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class CodeFields(Body):
    """What codes have in common that are made together."""

    type: CodeType = "discount"
    pool: Pool = "default"
    expires_at: Moment | None = None
    limit_per_order: Limit | None = None
    limit_per_ticket: Limit | None = None
    metadata: Metadata = Field(default_factory=dict)


class CodeIn(CodeFields):
    """A new code. It is kept as written; two that differ only in case are the same."""

    code: CodeText


class CodeUpdate(Body):
    """Fields that are given change. Type and pool change only while the code is free."""

    type: CodeType = "discount"
    pool: Pool = "default"
    expires_at: Moment | None = None
    limit_per_order: Limit | None = None
    limit_per_ticket: Limit | None = None
    metadata: Metadata = Field(default_factory=dict)

    def changes(self) -> dict[str, Any]:
        """The given fields alone."""
        return self.model_dump(exclude_unset=True)


class UseIn(Body):
    """`used_at` is when it was redeemed, if that was not now."""

    order_id: Line | None = None
    used_at: Moment | None = None
    reason: Line | None = None


class ReasonIn(Body):
    reason: Line | None = None


class RollbackIn(Body):
    reason: Line


class CodeOut(BaseModel):
    """`status` is the one of this moment, `sync_state` how far the ticket shop knows the code."""

    model_config = ConfigDict(extra="ignore")

    id: UUID
    code: str
    type: CodeType
    pool: str
    status: Status
    sync_state: SyncState
    batch_id: UUID | None
    expires_at: datetime | None
    limit_per_order: int | None
    limit_per_ticket: int | None
    metadata: dict[str, Any]
    recipient: str | None
    reference: str | None
    allocated_at: datetime | None
    reserved_until: datetime | None
    used_at: datetime | None
    revoked_at: datetime | None
    created_at: datetime
    updated_at: datetime


class CodeEventOut(BaseModel):
    """One transition: who, when, why."""

    id: int
    action: str
    from_status: str | None
    to_status: str
    actor: str
    reason: str | None
    reference: str | None
    request_id: str | None
    at: datetime
