"""Shapes of attachments."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from campaign_service.contacts.types import Name

ContentId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}(@[A-Za-z0-9.-]{1,64})?$")]


class AttachmentOut(BaseModel):
    """`content_type` was found out from the content; `deleted_at`: it has a name alone since then."""

    id: UUID
    tenant_id: UUID
    name: str
    content_type: str
    size: int
    sha256: str
    created_at: datetime
    deleted_at: datetime | None


class AttachedOut(BaseModel):
    """A file of a template, campaign or message. The HTML may show it as `cid:` and the `content_id`."""

    attachment_id: UUID
    name: str
    content_type: str
    size: int
    content_id: str | None


class MessageAttachment(BaseModel):
    """A stored file by its `id`, or one that comes with the message: `name` and `content` in base64."""

    model_config = ConfigDict(extra="forbid")

    id: UUID | None = None
    name: Name | None = None
    content: Annotated[Base64Bytes, Field(min_length=1)] | None = None
    content_id: ContentId | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        given = (self.name is not None, self.content is not None)
        if given not in ((True, True), (False, False)) or given[0] == (self.id is not None):
            raise ValueError("give either id or name and content")
        return self


MessageAttachments = Annotated[list[MessageAttachment], Field(max_length=20)]
