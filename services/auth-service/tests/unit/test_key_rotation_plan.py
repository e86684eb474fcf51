"""The rotation plan over long times."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth_service.settings import AuthSettings
from auth_service.signing_keys.repository import SigningKey, State
from auth_service.signing_keys.service import Step, plan

pytestmark = pytest.mark.unit

SETTINGS = AuthSettings(key_rotation=86400)
START = datetime(2026, 1, 1, tzinfo=UTC)


def new_key(kid: str, state: State, now: datetime) -> SigningKey:
    lead = timedelta(seconds=2 * SETTINGS.jwks_max_age)
    active = state == "active"
    return SigningKey(
        kid, "x", b"k", state, now, now if active else now + lead, now if active else None, None
    )


def apply(keys: list[SigningKey], steps: list[Step], now: datetime) -> list[SigningKey]:
    """What the repository does, in memory."""
    for step in steps:
        match step.action:
            case "create_active" | "create_pending":
                state: State = "active" if step.action == "create_active" else "pending"
                keys = [*keys, new_key(f"k{now.timestamp()}-{len(keys)}", state, now)]
            case "withdraw":
                keys = [key for key in keys if key.kid != step.kid]
            case "promote":
                keys = [
                    replace(key, state="retiring", retiring_at=now) if key.state == "active" else key
                    for key in keys
                ]
                keys = [
                    replace(key, state="active", activated_at=now) if key.kid == step.kid else key
                    for key in keys
                ]
    return keys


@given(st.lists(st.integers(1, 5000), min_size=50, max_size=400))
def test_no_verifier_ever_meets_a_key_it_cannot_know(pauses: list[int]) -> None:
    """However irregularly the task runs: one active key, published long before and long after it signs."""
    now, keys = START, list[SigningKey]()
    seen: dict[str, datetime] = {}
    last_signed: dict[str, datetime] = {}
    for pause in pauses:
        keys = apply(keys, plan(keys, now, SETTINGS), now)
        for key in keys:
            seen.setdefault(key.kid, now)
        (active,) = [key for key in keys if key.state == "active"]
        if len(seen) > 1:
            assert now - seen[active.kid] >= timedelta(seconds=2 * 600) or active.kid == next(iter(seen))
        last_signed[active.kid] = now
        published = {key.kid for key in keys}
        for kid, signed in last_signed.items():
            if now - signed <= timedelta(seconds=SETTINGS.jwt_expires_in + 30):
                assert kid in published
        now += timedelta(seconds=pause)


def test_nothing_is_due_on_most_days() -> None:
    keys = [new_key("a", "active", START)]
    assert plan(keys, START + timedelta(hours=1), SETTINGS) == []


def test_pending_key_takes_over_when_the_active_one_is_lost() -> None:
    keys = [new_key("b", "pending", START)]
    assert plan(keys, START, SETTINGS) == [Step("promote", "b")]
