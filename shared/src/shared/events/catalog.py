"""Every event type of Tidings and the shape of its data. A type that is not here cannot be published."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class EventData(BaseModel):
    """Base of all event data. Reading ignores unknown fields, so that publishers may add optional ones."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class TenantCreated(EventData):
    tenant_id: UUID
    name: str
    slug: str
    time_zone: str = "UTC"


class TenantUpdated(EventData):
    """What a tenant is called now, and where it is."""

    tenant_id: UUID
    name: str
    slug: str
    time_zone: str


class UserRegistered(EventData):
    user_id: UUID
    email: str
    name: str
    verify_token: str | None = None


class PasswordResetRequested(EventData):
    user_id: UUID
    email: str
    name: str = ""
    expires_at: AwareDatetime | None = None


class SessionRevoked(EventData):
    """Access tokens of this session are refused until `expires_at`, when the last one ends by itself."""

    session_id: UUID
    expires_at: AwareDatetime
    user_id: UUID | None = None
    reason: str | None = None


class WebhookReceived(EventData):
    """One HTTP request of a provider, body as text; a batch is one event."""

    inbound_id: UUID
    source_id: UUID | None = None
    source_type: str
    content_type: str = "application/json"
    body: str
    received_at: AwareDatetime
    replay_of: UUID | None = None


class WebhookFailed(EventData):
    """A service gave up on a received webhook. `error` is for the tenant and repeats nothing of the body."""

    inbound_id: UUID
    consumer: str
    error: str
    attempts: int = Field(ge=1)
    failed_at: AwareDatetime


class ContactsImported(EventData):
    import_id: UUID
    job_id: UUID | None = None
    data_source_id: UUID | None = None
    rows: int = Field(ge=0)
    created: int = Field(ge=0)
    updated: int = Field(ge=0)
    rejected: int = Field(ge=0)


class CampaignStarted(EventData):
    campaign_id: UUID
    name: str
    total_recipients: int = Field(ge=0)
    started_at: AwareDatetime


class CampaignCompleted(EventData):
    campaign_id: UUID
    name: str
    total_recipients: int = Field(ge=0)
    sent: int = Field(ge=0)
    failed: int = Field(ge=0)
    completed_at: AwareDatetime


class MessageFact(EventData):
    """What happened to one mail or SMS. `campaign_id` is absent for single messages."""

    message_id: str
    campaign_id: UUID | None = None
    contact_id: UUID | None = None
    channel: Literal["email", "sms"] = "email"
    recipient: str
    occurred_at: AwareDatetime
    variant: int | None = None


class MessageSent(MessageFact):
    reply: str | None = None


class MessageDelivered(MessageFact):
    reply: str | None = None


class MessageOpened(MessageFact):
    verdict: Literal["human", "proxy", "scanner", "unknown"] = "unknown"
    user_agent: str | None = None


class MessageClicked(MessageOpened):
    url: str


class MessageBounced(MessageFact):
    kind: Literal["hard", "soft"]
    category: str | None = None
    status: str | None = None
    diagnostic: str | None = None


class MessageComplained(MessageFact):
    feedback_type: str | None = None


class MessageUnsubscribed(MessageFact):
    via: Literal["one_click", "page", "mailto", "provider", "api"] = "page"


class MessageFailed(MessageFact):
    reason: str
    status: str | None = None


class Recipient(EventData):
    email: str | None = None
    phone: str | None = None
    name: str | None = None
    language: str | None = None


class Sender(EventData):
    """Whom a mail is from; what is not given is campaign-service's own."""

    email: str | None = None
    name: str | None = None
    reply_to: str | None = None


class OwnContent(EventData):
    """What a message says that follows no template; at least one of `html` and `text`."""

    subject: str
    html: str | None = None
    text: str | None = None


class MessageFile(EventData):
    """A file of a message: one that campaign-service has (`id`), or a small one, `content` in base64."""

    id: UUID | None = None
    name: str | None = None
    content: str | None = None
    content_id: str | None = None


class MessageRequested(EventData):
    """Ask campaign-service to send one message. The same `idempotency_key` of a tenant is sent once.

    `template` is '' for a message with `content` of its own.
    """

    template: str
    recipient: Recipient
    variables: dict[str, Any] = Field(default_factory=dict)
    idempotency_key: str = Field(min_length=1)
    channel: Literal["email", "sms"] = "email"
    sender: Sender | None = None
    content: OwnContent | None = None
    attachments: list[MessageFile] = Field(default_factory=list)


class CodeFact(EventData):
    code_id: UUID
    code: str
    type: str
    occurred_at: AwareDatetime
    actor_id: str | None = None
    reference: str | None = None


class LinkClicked(EventData):
    """`visitor` stands for the visitor's address within one UTC day; what it stood for is then forgotten."""

    link_id: UUID
    short_id: str
    target_url: str
    occurred_at: AwareDatetime
    verdict: Literal["human", "proxy", "scanner", "unknown"] = "unknown"
    visitor: str | None = None


class OrderRecorded(EventData):
    order_id: UUID
    external_id: str
    source: str
    status: str
    total_minor: int | None = None
    currency: str | None = None
    customer_email: str | None = None
    codes: list[str] = Field(default_factory=list)
    occurred_at: AwareDatetime


class ClientRegistered(EventData):
    client_id: UUID
    name: str
    email: str | None = None


class PropertiesAssigned(EventData):
    client_id: UUID
    job_id: UUID | None = None
    count: int = Field(ge=0)


class AddressesInsufficient(EventData):
    client_id: UUID
    wanted: int = Field(ge=0)
    found: int = Field(ge=0)


class ReportDue(EventData):
    client_id: UUID | None = None
    kind: str
    period_start: datetime | None = None
    period_end: datetime | None = None


class JobFailedPermanently(EventData):
    job_id: UUID
    job_type: str
    service: str
    attempts: int = Field(ge=0)
    error: str
    failed_at: AwareDatetime


WEBHOOK_SOURCES = ("mailwizz", "powermta", "twilio", "make", "fienta", "generic", "test")

CATALOG: dict[str, type[EventData]] = {
    "auth.tenant.created.v1": TenantCreated,
    "auth.tenant.updated.v1": TenantUpdated,
    "auth.user.registered.v1": UserRegistered,
    "auth.password_reset.requested.v1": PasswordResetRequested,
    "auth.session.revoked.v1": SessionRevoked,
    **{f"webhook.{source}.received.v1": WebhookReceived for source in WEBHOOK_SOURCES},
    "webhook.processing.failed.v1": WebhookFailed,
    "campaign.contacts.imported.v1": ContactsImported,
    "campaign.campaign.started.v1": CampaignStarted,
    "campaign.campaign.completed.v1": CampaignCompleted,
    "campaign.message.sent.v1": MessageSent,
    "campaign.message.delivered.v1": MessageDelivered,
    "campaign.message.opened.v1": MessageOpened,
    "campaign.message.clicked.v1": MessageClicked,
    "campaign.message.bounced.v1": MessageBounced,
    "campaign.message.complained.v1": MessageComplained,
    "campaign.message.unsubscribed.v1": MessageUnsubscribed,
    "campaign.message.failed.v1": MessageFailed,
    "message.requested.v1": MessageRequested,
    "code.code.allocated.v1": CodeFact,
    "code.code.used.v1": CodeFact,
    "code.code.revoked.v1": CodeFact,
    "code.code.expired.v1": CodeFact,
    "code.link.clicked.v1": LinkClicked,
    "code.order.recorded.v1": OrderRecorded,
    "property.client.registered.v1": ClientRegistered,
    "property.properties.assigned.v1": PropertiesAssigned,
    "property.addresses.insufficient.v1": AddressesInsufficient,
    "property.report.due.v1": ReportDue,
    "job.failed_permanently.v1": JobFailedPermanently,
}


def expand(types: tuple[str, ...]) -> tuple[str, ...]:
    """The catalog types meant by `types`, where `*` stands for one whole segment (`webhook.*.received.v1`).

    Raises ValueError for a name or pattern that means no type.
    """
    wanted: dict[str, None] = {}
    for pattern in types:
        matched = [name for name in CATALOG if _matches(pattern, name)]
        if not matched:
            raise ValueError(f"{pattern} is no event type of the catalog")
        wanted.update(dict.fromkeys(matched))
    return tuple(wanted)


def _matches(pattern: str, name: str) -> bool:
    left, right = pattern.split("."), name.split(".")
    return len(left) == len(right) and all(a in ("*", b) for a, b in zip(left, right, strict=True))
