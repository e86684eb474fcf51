"""Rotation of signing keys: pending → active → retiring → retired.

A key is published for twice the cache time before it signs, and stays published until the last token it
signed has expired, so no verifier ever meets a token whose key it cannot find.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from auth_service.security.access_tokens import generate_key
from auth_service.settings import AuthSettings
from auth_service.signing_keys import repository
from auth_service.signing_keys.repository import SigningKey
from shared.database import Tx
from shared.utils.crypto import SecretBox, derive_key
from shared.utils.tokens import LEEWAY_SECONDS


@dataclass(frozen=True, slots=True)
class Step:
    """One move of the rotation; `kid` is empty for `create`."""

    action: Literal["create_active", "create_pending", "promote", "withdraw"]
    kid: str = ""


def key_box(settings: AuthSettings) -> SecretBox:
    return SecretBox(derive_key(settings.jwt_secret.get_secret_value(), "auth signing keys"))


def publish_lead(settings: AuthSettings) -> timedelta:
    """How long a key is published before it signs."""
    return timedelta(seconds=2 * settings.jwks_max_age)


def plan(keys: Sequence[SigningKey], now: datetime, settings: AuthSettings) -> list[Step]:
    """What is due at `now`."""
    active = next((key for key in keys if key.state == "active"), None)
    pending = next((key for key in keys if key.state == "pending"), None)
    steps = [Step("withdraw", key.kid) for key in keys if _is_spent(key, now, settings)]
    if pending is not None and (active is None or pending.not_before <= now):
        steps.append(Step("promote", pending.kid))
    elif active is None:
        steps.append(Step("create_active"))
    elif pending is None and _is_due(active, now, settings):
        steps.append(Step("create_pending"))
    return steps


def _is_due(active: SigningKey, now: datetime, settings: AuthSettings) -> bool:
    since = active.activated_at or active.created_at
    return since + timedelta(seconds=settings.key_rotation) - publish_lead(settings) <= now


def _is_spent(key: SigningKey, now: datetime, settings: AuthSettings) -> bool:
    longest = max(settings.jwt_expires_in, settings.api_key_token) + LEEWAY_SECONDS
    # Processes sign with a key for a few seconds after another one has replaced it.
    margin = timedelta(seconds=longest + settings.jwks_max_age)
    return key.state == "retiring" and key.retiring_at is not None and key.retiring_at + margin <= now


async def advance(tx: Tx, settings: AuthSettings, now: datetime) -> list[Step]:
    """Take the steps that are due; the steps taken."""
    await repository.lock(tx)
    steps = plan(await repository.published(tx), now, settings)
    for step in steps:
        await _take(tx, step, settings, now)
    return steps


async def _take(tx: Tx, step: Step, settings: AuthSettings, now: datetime) -> None:
    match step.action:
        case "withdraw":
            await repository.withdraw(tx, step.kid, now)
        case "promote":
            await repository.retire_active(tx, now)
            await repository.activate(tx, step.kid, now)
        case "create_active":
            await _create(tx, "active", settings, now, now)
        case "create_pending":
            await _create(tx, "pending", settings, now, now + publish_lead(settings))


async def begin_rotation(tx: Tx, settings: AuthSettings, now: datetime) -> list[Step]:
    """Publish a successor now, whatever the age of the active key; it takes over after the lead time."""
    steps = await advance(tx, settings, now)
    keys = await repository.published(tx)
    if not any(key.state == "pending" for key in keys):
        step = Step("create_pending")
        await _take(tx, step, settings, now)
        steps.append(step)
    return steps


async def replace_at_once(tx: Tx, settings: AuthSettings, now: datetime) -> int:
    """Emergency: delete all keys, make a new one. All access tokens die; refresh tokens live on."""
    await repository.lock(tx)
    deleted = await repository.delete_all(tx)
    await _create(tx, "active", settings, now, now)
    return deleted


async def _create(
    tx: Tx, state: repository.State, settings: AuthSettings, now: datetime, not_before: datetime
) -> None:
    key = generate_key()
    sealed = key_box(settings).seal(key.private, key.kid)
    await repository.insert(
        tx,
        kid=key.kid,
        public_x=key.public_x,
        private_key=sealed,
        state=state,
        now=now,
        not_before=not_before,
    )
