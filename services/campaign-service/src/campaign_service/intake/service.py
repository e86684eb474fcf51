"""Taking in one mail for one of our own addresses: one transaction, over before the server says yes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from campaign_service.deliveries import service as deliveries
from campaign_service.deliveries.messages import repository as messages
from campaign_service.deliveries.rows import RowIssue, clean, hash_of
from campaign_service.intake import reading, repository
from campaign_service.messages.references import message_of, message_subject
from campaign_service.rendering.site import Site
from campaign_service.sending.refs import BOUNCE_PREFIX, UNSUBSCRIBE_PREFIX, RefSubject
from campaign_service.sending.tokens import TokenSubject
from campaign_service.settings import site_of
from campaign_service.tracking import service as tracking
from shared.database import Tx
from shared.errors import NotFoundError
from shared.utils import logger, uuid7
from shared.web import Runtime

#: Local parts that mailbox providers send complaints to, as registered for their feedback loops.
REPORT_ADDRESSES = frozenset({"abuse", "complaints", "fbl"})
_MAX_RAW = 4000


class RefusedMailError(Exception):
    """The mail is not taken, and will not be; the text is the SMTP reply, so its sender knows."""


@dataclass(frozen=True, slots=True)
class Address:
    """One of our own addresses. `reference` is the text that names a mail of ours; '' for reports.

    `subject` is a campaign's mail, or a single message's id.
    """

    purpose: Literal["bounce", "unsubscribe", "report"]
    reference: str = ""
    subject: RefSubject | UUID | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """A mail as it came in: `sender` is the envelope's, '' for a bounce."""

    sender: str
    raw: bytes
    at: datetime


def address_of(site: Site, address: str) -> Address | None:
    """What an address is for; None for one that this installation never gave out."""
    local, _, domain = address.strip("<> ").rpartition("@")
    local = local.lower()
    if local in REPORT_ADDRESSES and domain.lower() == site.mail_domain:
        return Address("report")
    if (message_id := message_of(address)) is not None:
        return Address("bounce", address, message_id)
    subject = site.refs.read_address(address)
    if subject is None:
        return None
    if local.startswith(BOUNCE_PREFIX):
        return Address("bounce", address, subject)
    return Address("unsubscribe", address, subject) if local.startswith(UNSUBSCRIBE_PREFIX) else None


async def take(runtime: Runtime, address: Address, mail: Arrival) -> None:
    """Do what a mail asks for. Taken again, the same mail changes nothing. Raises RefusedMailError."""
    if address.purpose == "unsubscribe":
        await _unsubscribe(runtime, address, mail)
        return
    references = (address.reference,) if address.reference else ()
    found = reading.read(mail.raw, mail.sender, references, mail.at)
    if found.kind == "answer" or (not found.rows and found.kind != "unreadable"):
        return
    subject = address.subject or _subject(runtime, found)
    if subject is None:
        raise RefusedMailError("554 5.6.0 This report names no mail of ours")
    async with runtime.db.system_tx() as tx:
        await _enter(tx, subject)
        if found.kind == "unreadable":
            await _keep(tx, address, mail)
            return
        inbound = deliveries.Inbound(uuid7(), mail.at)
        result = await deliveries.apply_rows(tx, runtime, found.rows, inbound, "mail")
    logger.info("returned mail applied", kind=found.kind, applied=result.applied, repeated=result.repeated)


def _subject(runtime: Runtime, found: reading.Returned) -> RefSubject | UUID | None:
    refs = site_of(runtime).refs
    texts = (text for row in found.rows for text in row.references)
    return next((subject for text in texts if (subject := refs.read_address(text) or message_of(text))), None)


async def _enter(tx: Tx, subject: RefSubject | UUID) -> None:
    """Into the tenant of the mail, which a forged reference does not have."""
    if isinstance(subject, RefSubject):
        message_id = message_subject(subject.campaign_id, subject.contact_id)
    else:
        message_id = subject
    if message_id is not None:
        tenant_id, what = await messages.tenant_of(tx, message_id), "message"
    else:
        assert isinstance(subject, RefSubject)
        tenant_id, what = await repository.tenant_of_campaign(tx, subject.campaign_id), "mail's campaign"
    if tenant_id is None:
        raise RefusedMailError(f"550 5.1.1 This {what} is gone")
    await tx.set_tenant(tenant_id)


async def _keep(tx: Tx, address: Address, mail: Arrival) -> None:
    """A mail to a bounce address that is no report is kept for the tenant to look at."""
    raw = clean(mail.raw[:_MAX_RAW].decode("utf-8", "replace"), _MAX_RAW)
    issue = RowIssue(
        number=1,
        kind="rejected",
        reason="no_delivery_report",
        record_type="mail",
        address=clean(mail.sender, 320),
        raw=raw,
        dedupe_key=hash_of("mail", "rejected", address.reference.lower(), raw),
        occurred_at=mail.at,
    )
    await deliveries.keep_issues(tx, "mail", [issue], deliveries.Inbound(uuid7(), mail.at))


async def _unsubscribe(runtime: Runtime, address: Address, mail: Arrival) -> None:
    """The address is the proof: only the mail's reader has it. An answering machine asks for nothing."""
    if not isinstance(address.subject, RefSubject):
        return
    if reading.read(mail.raw, mail.sender, (), mail.at).kind == "answer":
        return
    async with runtime.db.system_tx() as tx:
        await _enter(tx, address.subject)
        subject = TokenSubject(tx.tenant, address.subject.campaign_id, address.subject.contact_id)
        try:
            await tracking.unsubscribe(tx, runtime, subject, "mailto", mail.at)
        except NotFoundError as error:
            raise RefusedMailError("550 5.1.1 This mail's recipient is gone") from error
