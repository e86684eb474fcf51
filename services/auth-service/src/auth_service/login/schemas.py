"""Shapes of signing in."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from auth_service.schemas import Body, Password


class LoginRequest(Body):
    # Not checked for form: a malformed address is just an unknown one.
    email: Annotated[str, Field(min_length=1, max_length=254, pattern=r"^[^\x00-\x1f\x7f]+$")]
    password: Password


class ReauthenticateRequest(Body):
    password: Password
