"""Shapes of a deduplication's request and answer."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

Keep = Literal["oldest", "newest", "most_complete"]


class DeduplicateIn(BaseModel):
    """Which spellings are one person, and who of them stays.

    `gmail_rules`: dots and what follows a plus do not matter at Gmail. `plus_addresses`: what follows a plus
    matters nowhere. The kept contact gets all tags, and the others' values where it has none.
    """

    model_config = ConfigDict(extra="forbid")

    gmail_rules: bool = True
    plus_addresses: bool = False
    keep: Keep = "oldest"
    dry_run: bool = True


class DeduplicationAccepted(BaseModel):
    """The job's result has `groups`, `duplicates`, `merged` and the first 200 groups as `pairs`."""

    job_id: UUID
    status: str = "pending"
    dry_run: bool
