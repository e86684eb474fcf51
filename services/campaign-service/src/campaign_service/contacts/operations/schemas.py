"""Shapes of operations on many contacts."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, model_validator

from campaign_service.contacts.schemas import ContactStatus
from campaign_service.contacts.types import Line, ShortLine, Slug, Slugs

Action = Literal["tag", "untag", "status", "delete", "validate", "export"]


class ContactFilter(BaseModel):
    """As in the list of contacts; nothing at all is everybody."""

    model_config = ConfigDict(extra="forbid")

    q: Line | None = None
    tag: Slug | None = None
    status: ContactStatus | None = None
    language: ShortLine | None = None
    source_id: UUID | None = None

    @property
    def asks(self) -> bool:
        """Whether it leaves anybody out: fields that are null or empty do not."""
        return any(getattr(self, name) for name in type(self).model_fields)


class OperationIn(BaseModel):
    """What to do, and to whom: `filter` or `segment_id`. With `dry_run` they are counted and nothing is done.

    `tags` are for tag and untag, `status` is what a status action sets. Everybody is deleted by a filter that
    says so (such as `{"q": "@"}`), not by an empty one.
    """

    model_config = ConfigDict(extra="forbid")

    action: Action
    filter: ContactFilter | None = None
    segment_id: UUID | None = None
    tags: Slugs = []
    status: ContactStatus | None = None
    dry_run: bool = False

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.filter is None) == (self.segment_id is None):
            raise ValueError("give filter or segment_id")
        if (self.action in ("tag", "untag")) != bool(self.tags):
            raise ValueError("tags are what tag and untag need, and nothing else")
        if (self.action == "status") != (self.status is not None):
            raise ValueError("status is what a status action needs, and nothing else")
        if self.action == "delete" and self.filter is not None and not self.filter.asks:
            raise ValueError("an empty filter deletes nobody")
        return self


class OperationAccepted(BaseModel):
    """`count` contacts are meant. Without a job it was a dry run."""

    id: UUID | None
    job_id: UUID | None
    action: Action
    count: int
    dry_run: bool


class OperationOut(BaseModel):
    """How far it is: `done` of `total`, of which `changed` were not as wanted before.

    `file_withdrawn_at`: when an export's file was removed because a contact was erased who may be in it.
    """

    id: UUID
    job_id: UUID
    action: Action
    request: dict[str, Any]
    status: Literal["pending", "running", "completed", "failed_permanent", "cancelled"]
    total: int
    done: int
    changed: int
    has_file: bool
    file_withdrawn_at: datetime | None
    error: str | None
    created_at: datetime
    finished_at: datetime | None
