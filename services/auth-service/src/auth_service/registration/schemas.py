"""Shapes of registration and e-mail proof."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from auth_service.schemas import Body, Email, Language, OrganisationName, Password, PersonName
from auth_service.tenants.schemas import TimeZone


class RegisterRequest(Body):
    """A new organisation and its first owner."""

    tenant_name: OrganisationName
    email: Email
    password: Password
    first_name: PersonName = ""
    last_name: PersonName = ""
    language: Language = "en"
    time_zone: TimeZone = "UTC"


class VerifyEmailRequest(Body):
    """`token` is the one from the mail."""

    token: Annotated[str, Field(min_length=1, max_length=200)]
