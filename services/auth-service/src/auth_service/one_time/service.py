"""Issuing and redeeming one-time tokens."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from auth_service.context import AuthContext
from auth_service.errors import InvalidTokenError
from auth_service.one_time import repository
from auth_service.one_time.repository import NewToken
from auth_service.security import one_time_tokens
from auth_service.security.one_time_tokens import OneTimeToken, Purpose
from auth_service.users.repository import Member
from shared.database import Tx
from shared.utils.ids import uuid7


async def issue(
    tx: Tx, auth: AuthContext, member: Member, purpose: Purpose, ttl_seconds: int
) -> tuple[UUID, OneTimeToken]:
    """A new token for the member and its id; the one before of the same purpose dies."""
    token = one_time_tokens.issue(member.tenant_id)
    now = auth.now()
    new = NewToken(uuid7(), member.id, purpose, token, now, now + timedelta(seconds=ttl_seconds))
    await repository.put(tx, new)
    return new.id, token


def parse(text: str) -> OneTimeToken:
    """Raises `InvalidTokenError` for what cannot be one of our tokens."""
    token = one_time_tokens.parse(text)
    if token is None:
        raise InvalidTokenError(field="token")
    return token


async def redeem(tx: Tx, auth: AuthContext, token: OneTimeToken, purpose: Purpose) -> UUID:
    """The user the token was for; it works once. Raises `InvalidTokenError`."""
    user_id = await repository.consume(tx, token, purpose, auth.now())
    if user_id is None:
        raise InvalidTokenError(field="token")
    return user_id


async def check(tx: Tx, auth: AuthContext, token: OneTimeToken, purpose: Purpose) -> UUID:
    """Like `redeem`, but the token stays usable."""
    user_id = await repository.peek(tx, token, purpose, auth.now())
    if user_id is None:
        raise InvalidTokenError(field="token")
    return user_id
