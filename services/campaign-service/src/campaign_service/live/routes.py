"""Watching a campaign or a job while it runs, as `text/event-stream`."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from campaign_service.campaigns import service as campaigns
from campaign_service.campaigns.recipients import service as recipients
from campaign_service.live.stream import State, respond
from campaign_service.live.token import token_end
from shared.jobs.models import JobOut
from shared.models.responses import error_responses
from shared.web import RuntimeDep, TenantPath

router = APIRouter(prefix="/api/v2", tags=["live"])
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {}}},
    **error_responses(401, 404, 422, 429),
}
_UNDER_WAY = ("scheduled", "sending")
_JOB_ENDED = ("completed", "failed_permanent", "cancelled")


@router.get(
    "/campaigns/{tenant_id}/{campaign_id}/progress/stream",
    response_class=StreamingResponse,
    responses=_RESPONSES,
)
async def stream_campaign(
    tenant_id: TenantPath, campaign_id: UUID, request: Request, rt: RuntimeDep
) -> StreamingResponse:
    """The campaign's progress whenever it changes, until it is over or waits for somebody.

    Ask with `Accept: text/event-stream`. `Last-Event-ID` leaves out a state that is known already. The
    stream ends with the token at the latest: come again with a new one.
    """

    async def look() -> State:
        async with rt.db.tenant_tx(tenant_id, read_only=True) as tx:
            campaign = await campaigns.get(tx, tenant_id, campaign_id)
            found = await recipients.progress(tx, campaign, rt.clock.now())
        return State(found, found.status not in _UNDER_WAY)

    await look()
    return respond(rt, request, tenant_id, token_end(request), look)


@router.get("/jobs/{tenant_id}/{job_id}/stream", response_class=StreamingResponse, responses=_RESPONSES)
async def stream_job(
    tenant_id: TenantPath, job_id: UUID, request: Request, rt: RuntimeDep
) -> StreamingResponse:
    """The job whenever it changes, until it has ended."""

    async def look() -> State:
        async with rt.db.tenant_tx(tenant_id, read_only=True) as tx:
            found = JobOut.model_validate(await rt.jobs.get(tx, tenant_id, job_id))
        return State(found, found.status in _JOB_ENDED)

    await look()
    return respond(rt, request, tenant_id, token_end(request), look)
