"""Core business models shared by services: calls, conversations, messages, leads, phone numbers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from shared.utils.validation import normalize_phone

PhoneText = Annotated[str, AfterValidator(normalize_phone)]


class _TenantEntity(BaseModel):
    model_config = ConfigDict(extra="ignore")

    id: UUID
    tenant_id: UUID
    created_at: datetime
    updated_at: datetime | None = None


class PhoneNumber(_TenantEntity):
    number: PhoneText
    label: str | None = None
    provider: str | None = None
    capabilities: list[Literal["voice", "sms", "mms"]] = Field(default_factory=list)
    is_active: bool = True


class Call(_TenantEntity):
    """`duration` in whole seconds; 0 for a call nobody answered."""

    customer_phone: PhoneText
    business_phone: PhoneText
    direction: Literal["inbound", "outbound"] = "inbound"
    status: Literal["ringing", "answered", "completed", "missed", "failed"]
    started_at: datetime
    ended_at: datetime | None = None
    duration: int = Field(default=0, ge=0)
    conversation_id: UUID | None = None


class Conversation(_TenantEntity):
    customer_phone: PhoneText
    business_phone: PhoneText
    status: Literal["open", "waiting", "closed", "opted_out"] = "open"
    last_message_at: datetime | None = None
    lead_id: UUID | None = None


class Message(_TenantEntity):
    conversation_id: UUID
    direction: Literal["inbound", "outbound"]
    channel: Literal["sms", "email"] = "sms"
    body: str = Field(max_length=1600)
    status: Literal["queued", "sent", "delivered", "undelivered", "failed", "received"] = "queued"
    sent_at: datetime | None = None


class Lead(_TenantEntity):
    customer_phone: PhoneText
    customer_name: str | None = None
    problem_description: str | None = None
    status: Literal["new", "contacted", "qualified", "won", "lost"] = "new"
    source: str | None = None
    conversation_id: UUID | None = None
    estimated_value: int | None = Field(
        default=None, ge=0, description="Minor units of the tenant's currency"
    )
