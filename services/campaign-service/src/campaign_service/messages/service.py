"""Taking single messages in: rendered and stored at once, sent by the worker."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from campaign_service.attachments import repository as files
from campaign_service.attachments.repository import Owner
from campaign_service.attachments.schemas import MessageAttachment
from campaign_service.attachments.service import attach_to_message
from campaign_service.contacts import repository as contacts
from campaign_service.messages import repository
from campaign_service.messages.builtin import BUILTIN
from campaign_service.messages.property_mails import PROPERTY_MAILS
from campaign_service.messages.references import unsubscribe_url
from campaign_service.messages.schemas import MessageIn, To
from campaign_service.rendering import Content, Preview, Recipient, merge_variables, render_preview
from campaign_service.settings import settings_of, site_of
from campaign_service.suppressions import repository as suppressions
from campaign_service.templates import repository as templates
from campaign_service.templates.service import choose_language
from shared.database import Tx
from shared.errors import NotFoundError, ValidationError
from shared.utils import uuid7
from shared.web import Runtime

_NOBODY = UUID(int=0)
_WAKE = "messages.wake"


class RenderingError(ValidationError):
    """The template cannot be filled with these variables."""

    code = "RENDERING_FAILED"


@dataclass(frozen=True, slots=True)
class Chosen:
    """A content to send, and where it comes from."""

    content: Content
    language: str | None = None
    template_id: UUID | None = None
    version: int | None = None
    name: str | None = None


def wake_of(rt: Runtime) -> asyncio.Event:
    """Set when this process has taken in a message."""
    wake: asyncio.Event = rt.extras.setdefault(_WAKE, asyncio.Event())
    return wake


async def submit(tx: Tx, rt: Runtime, tenant_id: UUID, user_id: UUID, body: MessageIn) -> dict[str, Any]:
    """Render and queue a message of a client; the stored message."""
    chosen = await _chosen(tx, tenant_id, body)
    sender: dict[str, Any] = {
        "from_email": body.from_email,
        "from_name": body.from_name,
        "reply_to": body.reply_to,
    }
    message_id = await enqueue(
        tx,
        rt,
        tenant_id,
        chosen,
        body.to,
        body.variables,
        attachments=body.attachments,
        purpose=body.purpose,
        created_by=user_id,
        **{name: value for name, value in sender.items() if value},
    )
    return await get(tx, tenant_id, message_id)


async def _chosen(tx: Tx, tenant_id: UUID, body: MessageIn) -> Chosen:
    if body.template_id is None:
        return own_content(body)
    return await tenant_template(tx, tenant_id, body.template_id, body.to.language)


def own_content(body: MessageIn) -> Chosen:
    """What a message says that follows no template."""
    assert body.subject is not None, "such a message has a subject"
    return Chosen(Content(body.subject, body.html or "", body.text), body.to.language)


async def tenant_template(tx: Tx, tenant_id: UUID, template_id: UUID, language: str | None) -> Chosen:
    """The current version of a template, in the language that fits best. Raises NotFoundError."""
    template = await templates.get(tx, tenant_id, template_id)
    if template is None or template["archived_at"] is not None:
        raise NotFoundError("There is no such template", field="template_id")
    contents = await templates.contents(tx, tenant_id, template_id, template["version"])
    chosen = choose_language(contents, language, template["default_language"])
    row = contents[chosen]
    content = Content(row["subject"], row["html"], row["text"])
    return Chosen(content, chosen, template_id, template["version"], template["name"])


def builtin_template(name: str, language: str | None) -> Chosen | None:
    """A mail of the platform itself."""
    contents = BUILTIN.get(name) or PROPERTY_MAILS.get(name)
    if contents is None:
        return None
    chosen = choose_language(contents, language, "en")
    return Chosen(contents[chosen], chosen, name=name)


async def enqueue(
    tx: Tx,
    rt: Runtime,
    tenant_id: UUID,
    chosen: Chosen,
    to: To,
    variables: Mapping[str, Any],
    *,
    attachments: Sequence[MessageAttachment] = (),
    purpose: str = "transactional",
    despite_suppression: bool = False,
    **more: Any,
) -> UUID:
    """Store a rendered mail with its files; its id. With an `idempotency_key` that is known, nothing is.

    Marketing is held back by any suppression, transactional mail by those of scope `all`.
    """
    assert to.email is not None, "who gets a mail has an address"
    message_id, settings = uuid7(), settings_of(rt)
    skip, way_out, is_marketing = None, "", purpose == "marketing"
    if not despite_suppression:
        skip = await suppressions.suppressed_reason(tx, tenant_id, to.email, marketing=is_marketing)
    if is_marketing:
        way_out = unsubscribe_url(site_of(rt), tenant_id, message_id)
    rendered = await _rendered(tx, tenant_id, chosen.content, to, variables, way_out)
    stored = await repository.insert(
        tx,
        tenant_id,
        {
            "id": message_id,
            "purpose": purpose,
            "template_id": chosen.template_id,
            "template_version": chosen.version,
            "template_name": chosen.name,
            "recipient_email": to.email,
            "recipient_name": to.name,
            "language": chosen.language,
            "from_email": settings.from_email,
            "subject": _storable(rendered.subject),
            "html": _storable(rendered.html) if chosen.content.html else None,
            "text": _storable(rendered.text) if rendered.text else None,
            "state": "skipped" if skip else "queued",
            "skip_reason": skip,
            **more,
        },
    )
    if stored:
        await _attach(tx, rt, message_id, chosen, attachments, more.get("created_by"))
        tx.after_commit.append(wake_of(rt).set)
    return message_id


async def _attach(
    tx: Tx,
    rt: Runtime,
    message_id: UUID,
    chosen: Chosen,
    given: Sequence[MessageAttachment],
    user_id: UUID | None,
) -> None:
    """The files of its template's version, and its own."""
    if chosen.template_id is not None:
        template = Owner(template_id=chosen.template_id, template_version=chosen.version)
        await files.copy_uses(tx, tx.tenant, template, [Owner(message_id=message_id)])
    await attach_to_message(tx, rt, message_id, given, user_id)


async def _rendered(
    tx: Tx, tenant_id: UUID, content: Content, to: To, variables: Mapping[str, Any], way_out: str
) -> Preview:
    """By the engine of the campaigns: what is known of the contact, then what the caller gives."""
    contact_id = await contacts.id_of_email(tx, tenant_id, to.email or "")
    contact = await contacts.get(tx, tenant_id, contact_id) if contact_id else None
    known = merge_variables(_recipient(to, contact), campaign_name="", unsubscribe_url=way_out)
    preview = render_preview(content, known | dict(variables))
    parts = ((content.subject, preview.subject), (content.html, preview.html), (content.text, preview.text))
    if any(source and source.strip() and not result for source, result in parts):
        raise RenderingError(
            "The message cannot be made with these variables",
            field="variables",
            details={"warnings": list(preview.warnings)},
        )
    return preview


def _recipient(to: To, contact: Mapping[str, Any] | None) -> Recipient:
    if contact is None:
        first, _, last = (to.name or "").partition(" ")
        return Recipient(_NOBODY, to.email or "", first_name=first or None, last_name=last or None)
    return Recipient(
        contact["id"],
        contact["email"] or "",
        language=contact["language"],
        first_name=contact["first_name"],
        last_name=contact["last_name"],
        country=contact["country"],
        custom=contact["custom_fields"],
    )


def _storable(text: str) -> str:
    """Variables may hold what Postgres cannot: NUL and lone surrogates."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


async def get(tx: Tx, tenant_id: UUID, message_id: UUID) -> dict[str, Any]:
    message = await repository.get(tx, tenant_id, message_id)
    if message is None:
        raise NotFoundError("There is no such message")
    return message
