"""Shapes of password changes."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from auth_service.schemas import Body, Email, Password


class ForgotRequest(Body):
    email: Email


class ResetRequest(Body):
    """`token` is the one from the mail."""

    token: Annotated[str, Field(min_length=1, max_length=200)]
    new_password: Password


class ChangeRequest(Body):
    """By default all other sessions of the user end."""

    current_password: Password
    new_password: Password
    revoke_other_sessions: bool = True
