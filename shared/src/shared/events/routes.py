"""Dead letters of a service, over HTTP."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query

from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web.dependencies import RuntimeDep, ServiceCaller


def build_router() -> APIRouter:
    router = APIRouter(prefix="/internal/events/dead-letters", tags=["events"])
    router.get("", responses=error_responses(401, 404))(list_dead_letters)
    router.post("/{event_id}/replay", responses=error_responses(401, 404))(replay_dead_letter)
    return router


async def list_dead_letters(
    _: ServiceCaller,
    runtime: RuntimeDep,
    consumer: str | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> ApiResponse[list[dict[str, Any]]]:
    """Events this service's consumers gave up on, with the reason."""
    letters = await runtime.events.dead_letters.list(consumer=consumer, limit=limit)
    return success_response([letter.document() for letter in letters])


async def replay_dead_letter(
    event_id: UUID, _: ServiceCaller, runtime: RuntimeDep, consumer: str | None = None
) -> ApiResponse[dict[str, int]]:
    """Deliver one again, with fresh attempts."""
    replayed = await runtime.events.dead_letters.replay(event_id, consumer=consumer)
    return success_response({"replayed": replayed})
