"""Telling the gateway that a received webhook could not be handled, so that its history shows it."""

from __future__ import annotations

from functools import wraps

from shared.errors import PermanentError
from shared.events.catalog import WebhookFailed
from shared.events.consumer import RETRY_DELAYS, Handler, MessageContext
from shared.events.envelope import new_event
from shared.utils.clock import utc_now

_MAX_TEXT = 500


def telling_of_failures(handler: Handler) -> Handler:
    """The handler of `webhook.<source>.received.v1`; when an event fails for good, the gateway is told.

    Permanent errors must name the place in the webhook and repeat nothing of its content: the tenant reads
    them. Of other errors only the kind is told.
    """

    @wraps(handler)
    async def telling(context: MessageContext) -> None:
        try:
            await handler(context)
        except Exception as error:
            if isinstance(error, PermanentError) or context.attempt >= len(RETRY_DELAYS):
                await _tell(context, error)
            raise

    return telling


async def _tell(context: MessageContext, error: Exception) -> None:
    # In a transaction of its own: the handler's is undone.
    event, data = context.event, context.event.data
    if event.tenant_id is None or "inbound_id" not in data:
        return
    failure = WebhookFailed(
        inbound_id=data["inbound_id"],
        consumer=context.consumer,
        error=(str(error) if isinstance(error, PermanentError) else type(error).__name__)[:_MAX_TEXT],
        attempts=context.attempt + 1,
        failed_at=utc_now(),
    )
    async with context.runtime.db.tenant_tx(event.tenant_id) as tx:
        told = new_event("webhook.processing.failed.v1", failure, tenant_id=event.tenant_id)
        await context.runtime.events.publish(tx, told)
