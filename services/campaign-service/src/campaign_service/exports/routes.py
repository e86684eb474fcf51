"""HTTP of exports."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime

from campaign_service.campaigns import service as campaigns
from campaign_service.campaigns.states import RecipientState
from campaign_service.exports import service
from campaign_service.exports.repository import EventFilter
from shared.errors import ValidationError
from shared.models import error_responses
from shared.web import ReadTx, RuntimeDep, TenantPath

router = APIRouter(prefix="/api/v2", tags=["exports"])

EventType = Literal[
    "sent", "delivered", "deferred", "opened", "clicked", "bounced", "complained", "unsubscribed", "failed"
]
_CSV = error_responses(400, 401, 404, 422) | {200: {"content": {"text/csv": {}}}}


def event_filter(
    types: Annotated[
        list[EventType] | None, Query(alias="type", description="Only these; may be given several times")
    ] = None,
    from_: Annotated[AwareDatetime | None, Query(alias="from", description="From this time on")] = None,
    to: Annotated[AwareDatetime | None, Query(description="Before this time")] = None,
    human_only: Annotated[bool, Query(description="Without opens and clicks of machines")] = False,
) -> EventFilter:
    """The filters of events. ValidationError when the times are the wrong way round."""
    if from_ is not None and to is not None and from_ >= to:
        raise ValidationError("from must be before to", field="from")
    return EventFilter(types, from_, to, human_only)


Events = Annotated[EventFilter, Depends(event_filter)]
StateFilter = Annotated[RecipientState | None, Query(description="Only recipients in this state")]


def _download(lines: AsyncIterator[str], name: str) -> StreamingResponse:
    return StreamingResponse(
        lines,
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )


@router.get(
    "/campaigns/{tenant_id}/{campaign_id}/recipients.csv", response_class=StreamingResponse, responses=_CSV
)
async def export_recipients(
    tenant_id: TenantPath, campaign_id: UUID, tx: ReadTx, runtime: RuntimeDep, state: StateFilter = None
) -> StreamingResponse:
    """All recipients, sent as they are read. Cells that a spreadsheet would run are made harmless."""
    await campaigns.get(tx, tenant_id, campaign_id)
    lines = service.recipients_csv(runtime.db, tenant_id, campaign_id, state)
    return _download(lines, f"recipients-{campaign_id}")


@router.get(
    "/campaigns/{tenant_id}/{campaign_id}/events.csv", response_class=StreamingResponse, responses=_CSV
)
async def export_campaign_events(
    tenant_id: TenantPath, campaign_id: UUID, tx: ReadTx, runtime: RuntimeDep, which: Events
) -> StreamingResponse:
    """What was heard about a campaign's mails, person by person, with the verdicts on opens and clicks."""
    await campaigns.get(tx, tenant_id, campaign_id)
    lines = service.campaign_events_csv(runtime.db, tenant_id, campaign_id, which)
    return _download(lines, f"events-{campaign_id}")


@router.get("/stats/{tenant_id}/events.csv", response_class=StreamingResponse, responses=_CSV)
async def export_events(
    tenant_id: TenantPath, tx: ReadTx, runtime: RuntimeDep, which: Events
) -> StreamingResponse:
    """What was heard about all mails, single messages included, the earliest first."""
    return _download(service.events_csv(runtime.db, tenant_id, which), "events")
