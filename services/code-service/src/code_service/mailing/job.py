"""The job that asks campaign-service to send a mail: nothing that people receive leaves from here."""

from __future__ import annotations

from typing import Any

from code_service.mailing.schemas import MailIn
from shared.events import new_event
from shared.events.catalog import MessageFile, MessageRequested, OwnContent, Recipient, Sender
from shared.jobs import JobContext, job

SEND = "email.send"


@job(SEND)
async def send(ctx: JobContext) -> dict[str, Any]:
    """Publish the request. A job that was killed asks again by the same key, which is sent once."""
    mail = MailIn.model_validate(ctx.payload["mail"])
    wanted = request_of(mail, key=f"code-service:{SEND}:{ctx.job.id}")
    result: dict[str, Any] = {
        "dry_run": mail.dry_run,
        "requested": not mail.dry_run,
        "to": mail.to,
        "idempotency_key": wanted.idempotency_key,
    }
    if mail.dry_run:
        return result | {"would_request": wanted.model_dump(mode="json", exclude_none=True)}
    async with ctx.tx() as tx:
        event = new_event("message.requested.v1", wanted, tenant_id=tx.tenant, subject=str(ctx.job.id))
        await ctx.runtime.events.publish(tx, event)
    await ctx.log("asked campaign-service to send the mail")
    return result


def request_of(mail: MailIn, key: str) -> MessageRequested:
    """What is asked for."""
    own = mail.subject is not None
    content = OwnContent(subject=mail.subject or "", html=mail.html, text=mail.text) if own else None
    named = any(value is not None for value in (mail.from_email, mail.from_name, mail.reply_to))
    sender = Sender(email=mail.from_email, name=mail.from_name, reply_to=mail.reply_to) if named else None
    return MessageRequested(
        template=mail.template or "",
        recipient=Recipient(email=mail.to, name=mail.to_name, language=mail.language),
        variables=mail.variables,
        idempotency_key=key,
        sender=sender,
        content=content,
        attachments=[MessageFile(**file.model_dump()) for file in mail.attachments],
    )


JOBS = (send,)
