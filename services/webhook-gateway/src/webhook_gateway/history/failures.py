"""What services could not handle, shown in the history."""

from __future__ import annotations

from shared.events import MessageContext
from shared.events.catalog import WebhookFailed
from shared.utils import logger
from webhook_gateway.history import repository


async def record_failure(context: MessageContext) -> None:
    """Mark the webhook as failed, until it is replayed or comes again."""
    failure = context.parse(WebhookFailed)
    tenant_id = context.tx.tenant
    known = await repository.note_failure(context.tx, tenant_id, failure.inbound_id, failure.error)
    logger.warning(
        "webhook could not be processed",
        inbound_id=str(failure.inbound_id),
        failed_in=failure.consumer,
        known=known,
    )
