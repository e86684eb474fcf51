"""/webhook-events and /integrations/webhooks/processed"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AfterValidator

from shared.errors import NotFoundError
from shared.models.responses import ApiResponse, error_responses, success_response
from shared.web import CurrentUser, OperatorUser, Page, ReadTx, RuntimeDep, TenantTx
from webhook_gateway.history import repository, service
from webhook_gateway.history.repository import EventFilter
from webhook_gateway.history.schemas import (
    EventStatus,
    ProcessedWebhooks,
    ReplayOut,
    WebhookEventDetail,
    WebhookEventOut,
)
from webhook_gateway.sources.schemas import SourceType

router = APIRouter(tags=["webhook-events"])


def _as_utc(value: datetime) -> datetime:
    try:
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        raise ValueError("a time that does not exist in UTC") from None


Moment = Annotated[datetime, AfterValidator(_as_utc)]


@router.get(
    "/webhook-events",
    response_model=ApiResponse[list[WebhookEventOut]],
    responses=error_responses(400, 401, 422, 429),
)
async def list_events(
    user: CurrentUser,
    tx: ReadTx,
    page: Page,
    source: Annotated[UUID | None, Query(description="Id of a webhook source")] = None,
    type: Annotated[SourceType | None, Query()] = None,  # noqa: A002  # the name in the URL
    status: Annotated[EventStatus | None, Query()] = None,
    received_from: Annotated[Moment | None, Query(alias="from", description="Included")] = None,
    received_to: Annotated[Moment | None, Query(alias="to", description="Not included")] = None,
) -> ApiResponse[list[WebhookEventOut]]:
    """Received webhooks, newest first, with those that were refused or could not be processed."""
    wanted = EventFilter(source, type, status, received_from, received_to)
    rows = await repository.page(tx, user.tenant_id, wanted, after=page.value(0), limit=page.fetch_limit)
    return page.respond(rows, lambda row: [row["id"]], service.summary)


@router.get(
    "/webhook-events/{event_id}",
    response_model=ApiResponse[WebhookEventDetail],
    responses=error_responses(401, 403, 404, 422, 429),
)
async def get_event(event_id: UUID, user: OperatorUser, tx: ReadTx) -> ApiResponse[WebhookEventDetail]:
    """One webhook with its body, which may hold personal data: operators and above."""
    row = await repository.get(tx, user.tenant_id, event_id)
    if row is None:
        raise NotFoundError("No such webhook")
    return success_response(service.detail(row))


@router.post(
    "/webhook-events/{event_id}/replay",
    status_code=202,
    response_model=ApiResponse[ReplayOut],
    responses=error_responses(401, 403, 404, 409, 422, 429),
)
async def replay_event(
    event_id: UUID, user: OperatorUser, tx: TenantTx, runtime: RuntimeDep
) -> ApiResponse[ReplayOut]:
    """Publish a webhook again. Consumers that recognise their rows do not count them twice."""
    return success_response(await service.replay(tx, runtime.events, user.tenant_id, event_id))


@router.get(
    "/integrations/webhooks/processed",
    response_model=ApiResponse[ProcessedWebhooks],
    responses=error_responses(401, 422, 429),
)
async def processed(
    user: CurrentUser, tx: ReadTx, limit: Annotated[int, Query(ge=1, le=200)] = 50
) -> ApiResponse[ProcessedWebhooks]:
    """The newest webhooks that were taken in, with those that could not be processed."""
    rows = await repository.newest(tx, user.tenant_id, limit)
    return success_response(ProcessedWebhooks(webhooks=[service.processed(row) for row in rows]))
