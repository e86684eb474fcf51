"""Shapes of a tenant's account at Fienta."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field, SecretStr, StringConstraints

from code_service.codes.schemas import Body

Number = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,12}$")]
Email = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=254, pattern=r"^[^\s@]+@[^\s@]+\.[^\s@]+$")
]


class CredentialsIn(Body):
    """The account to work with. Without `password` the stored one stays, as long as `email` does."""

    email: Email
    password: SecretStr | None = Field(default=None, min_length=1, max_length=500)
    event_id: Number
    organizer_id: Number | None = None


class CredentialsOut(BaseModel):
    """What is stored. The password is never told."""

    is_configured: bool
    email: str | None = None
    event_id: str | None = None
    organizer_id: str | None = None
    has_password: bool = False
    updated_at: datetime | None = None
    updated_by: str | None = None
