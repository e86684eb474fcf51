"""Messages that other services ask for."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pydantic

from campaign_service.attachments.schemas import MessageAttachment
from campaign_service.messages import service, texts
from campaign_service.messages.schemas import From, MessageIn, To
from campaign_service.templates import repository as templates
from shared.database import Tx
from shared.errors import AppError, PermanentError
from shared.events import Consumer, MessageContext
from shared.events.catalog import MessageFile, MessageRequested, OwnContent, Sender


async def requested(context: MessageContext) -> None:
    """Queue the mail or text. The same idempotency key of a tenant is queued once."""
    wanted = context.parse(MessageRequested)
    if wanted.channel == "sms":
        return await _text(context, wanted)
    try:
        to = To(
            email=wanted.recipient.email or "", name=wanted.recipient.name, language=wanted.recipient.language
        )
    except pydantic.ValidationError as error:
        raise PermanentError(f"the recipient cannot be written to: {error.errors()[0]['msg']}") from error
    sender = _sender(wanted.sender or Sender())
    tx = context.tx
    try:
        chosen = _own(wanted.content, to) or await _template(tx, tx.tenant, wanted.template, to.language)
        await service.enqueue(
            tx,
            context.runtime,
            tx.tenant,
            chosen,
            to,
            wanted.variables,
            attachments=_files(wanted.attachments),
            idempotency_key=wanted.idempotency_key,
            # A suppression that only an owner can lift must not keep the owner from a new password.
            despite_suppression=context.event.source == "/auth-service",
            **sender,
        )
    except AppError as error:
        raise PermanentError(error.message) from error


async def _text(context: MessageContext, wanted: MessageRequested) -> None:
    tx = context.tx
    to = To(
        phone=wanted.recipient.phone or "", name=wanted.recipient.name, language=wanted.recipient.language
    )
    own = wanted.content.text if wanted.content else None
    try:
        template_id = None if own else await templates.id_of_name(tx, tx.tenant, wanted.template)
        if not own and template_id is None:
            raise PermanentError(f"there is no template {wanted.template}")
        source = await texts.source_of(tx, tx.tenant, own, template_id, to.language)
        await texts.enqueue(
            tx,
            context.runtime,
            tx.tenant,
            to,
            source,
            wanted.variables,
            idempotency_key=wanted.idempotency_key,
        )
    except AppError as error:
        raise PermanentError(error.message) from error


def _sender(sender: Sender) -> dict[str, Any]:
    """Columns of the message. A sender that cannot be written is refused: no mail goes out under another."""
    try:
        given = From(from_email=sender.email, from_name=sender.name, reply_to=sender.reply_to)
    except pydantic.ValidationError as error:
        raise PermanentError(f"the sender cannot be written: {error.errors()[0]['msg']}") from error
    return given.model_dump(exclude_none=True)


def _files(given: list[MessageFile]) -> list[MessageAttachment]:
    try:
        return [MessageAttachment.model_validate(file.model_dump(exclude_none=True)) for file in given]
    except pydantic.ValidationError as error:
        raise PermanentError(f"the files cannot be attached: {error.errors()[0]['msg']}") from error


def _own(content: OwnContent | None, to: To) -> service.Chosen | None:
    """A message of the asking service's own words, under the rules for those of clients."""
    if content is None:
        return None
    try:
        given = MessageIn(to=to, subject=content.subject, html=content.html, text=content.text)
    except pydantic.ValidationError as error:
        raise PermanentError(f"the content cannot be sent: {error.errors()[0]['msg']}") from error
    return service.own_content(given)


async def _template(tx: Tx, tenant_id: UUID, name: str, language: str | None) -> service.Chosen:
    """A built-in template by name, else the tenant's own of that name."""
    builtin = service.builtin_template(name, language)
    if builtin is not None:
        return builtin
    template_id = await templates.id_of_name(tx, tenant_id, name)
    if template_id is None:
        raise PermanentError(f"there is no template {name}")
    return await service.tenant_template(tx, tenant_id, template_id, language)


CONSUMERS = (Consumer("message-requests", ("message.requested.v1",), requested),)
