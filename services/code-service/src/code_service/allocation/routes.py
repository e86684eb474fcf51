"""Allocation over HTTP, for people and programs and, under `/internal`, for other services."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response

from code_service.actor import Actor, Operator, request_id_of
from code_service.allocation import service
from code_service.allocation.schemas import (
    AllocatedBatch,
    AllocatedCode,
    AllocateIn,
    BatchIn,
    InternalAllocateIn,
    InternalReleaseIn,
    LongestCode,
    Released,
)
from code_service.codes.schemas import CodeType, Pool
from shared.errors import ValidationError
from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web import RuntimeDep, ServiceCaller

router = APIRouter(prefix="/codes/allocate", tags=["allocation"])
internal_router = APIRouter(prefix="/internal/codes", tags=["internal"])

Key = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=255)]


def _mark(response: Response, given: service.Given) -> None:
    if given.is_replay:
        response.headers["Idempotent-Replayed"] = "true"


@router.post("", responses=error_responses(400, 401, 403, 404, 422, 503))
async def allocate_code(
    by: Operator,
    rt: RuntimeDep,
    response: Response,
    code_type: CodeType = "discount",
    pool: Pool = "default",
    mark_used: Annotated[bool | None, Query(description="Default: true, unless the code is reserved")] = None,
    key: Key = None,
    body: AllocateIn | None = None,
) -> ApiResponse[AllocatedCode]:
    """Take one code out of a pool, in no particular order, and by default record its use at once.

    The same Idempotency-Key gets the same code again. 404 POOL_EXHAUSTED when no code is free.
    """
    asked = body or AllocateIn()
    if mark_used and asked.ttl_seconds is not None:
        raise ValidationError("A code is used or reserved for a time, not both", field="mark_used")
    used = asked.ttl_seconds is None if mark_used is None else mark_used
    wanted = BatchIn(type=code_type, pool=pool, count=1, mark_used=used, **asked.model_dump())
    given = await service.allocate(rt, by, wanted, key)
    _mark(response, given)
    return success_response(given.codes[0])


@router.post("/batch", responses=error_responses(401, 403, 404, 409, 422, 503))
async def allocate_batch(
    body: BatchIn, by: Operator, rt: RuntimeDep, response: Response, key: Key = None
) -> ApiResponse[AllocatedBatch]:
    """Take up to 1,000 codes at once. 409 POOL_TOO_SMALL when there are fewer, and none is taken then."""
    given = await service.allocate(rt, by, body, key)
    _mark(response, given)
    return success_response(given.batch(body.count))


@internal_router.post("/allocate", responses=error_responses(401, 404, 409, 422, 503))
async def allocate_for_service(
    body: InternalAllocateIn, caller: ServiceCaller, request: Request, rt: RuntimeDep
) -> ApiResponse[AllocatedBatch]:
    """The same for another service, in the name of a tenant."""
    by = Actor(body.tenant_id, f"service:{caller}", request_id_of(request))
    given = await service.allocate(rt, by, body, body.idempotency_key)
    return success_response(given.batch(body.count))


@internal_router.post("/release", responses=error_responses(401, 422))
async def release_for_service(
    body: InternalReleaseIn, caller: ServiceCaller, request: Request, rt: RuntimeDep
) -> ApiResponse[Released]:
    """Put codes back into their pool that are still held under `order_id`; the others stay as they are."""
    by = Actor(body.tenant_id, f"service:{caller}", request_id_of(request))
    return success_response(Released(released=await service.release(rt, by, body)))


@internal_router.get("/longest", responses=error_responses(401, 422))
async def longest_for_service(
    tenant_id: UUID,
    _: ServiceCaller,
    rt: RuntimeDep,
    code_type: Annotated[CodeType, Query(alias="type")] = "discount",
    pool: Pool = "default",
    count_up_to: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> ApiResponse[LongestCode]:
    """What texts that are to carry a code have to leave room for, and whether there are as many as wanted."""
    code = await service.longest(rt, tenant_id, code_type, pool)
    free = await service.count_free(rt, tenant_id, code_type, pool, count_up_to) if count_up_to else None
    return success_response(LongestCode(code=code, free=free))
