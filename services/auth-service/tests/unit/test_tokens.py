"""Refresh tokens, the rotation rule, one-time tokens and API keys."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth_service.security import api_keys, one_time_tokens
from auth_service.security.refresh_tokens import PREFIX, RefreshToken, new_session_key
from auth_service.security.rotation import Verdict, judge, remember

pytestmark = pytest.mark.unit

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
GRACE = timedelta(seconds=30)


@given(st.uuids(), st.uuids(), st.integers(0, 2**31 - 1))
def test_refresh_token_survives_the_trip(tenant: UUID, session: UUID, counter: int) -> None:
    key = new_session_key()
    token = RefreshToken.parse(RefreshToken.derive(key, tenant, session, counter).encode())
    assert token is not None
    assert (token.tenant_id, token.session_id, token.counter) == (tenant, session, counter)
    assert token.is_genuine(key)
    assert not token.is_genuine(new_session_key())


def test_refresh_token_of_another_counter_is_not_genuine() -> None:
    key, tenant, session = new_session_key(), uuid4(), uuid4()
    token = RefreshToken.derive(key, tenant, session, 7)
    assert not RefreshToken(tenant, session, 8, token.mac).is_genuine(key)
    assert not RefreshToken(uuid4(), session, 7, token.mac).is_genuine(key)
    assert not RefreshToken(tenant, uuid4(), 7, token.mac).is_genuine(key)


@given(st.text(max_size=200))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    for candidate in (text, PREFIX + text):
        token = RefreshToken.parse(candidate)
        assert token is None or token.encode() == candidate


def test_refresh_token_has_one_spelling() -> None:
    text = RefreshToken.derive(new_session_key(), uuid4(), uuid4(), 1).encode()
    assert RefreshToken.parse(text + "=") is None
    assert RefreshToken.parse(text[:-1]) is None
    assert RefreshToken.parse(" " + text) is None


def test_current_token_rotates() -> None:
    assert judge(3, 3, [], NOW, GRACE) is Verdict.ROTATE


def test_direct_parent_is_excused_for_ever() -> None:
    assert judge(2, 3, [NOW - timedelta(days=10)], NOW, GRACE) is Verdict.REPEAT
    assert judge(2, 3, [], NOW, GRACE) is Verdict.REPEAT


@pytest.mark.parametrize(("age", "verdict"), [(0, Verdict.REPEAT), (30, Verdict.REPEAT), (31, Verdict.REUSE)])
def test_older_token_is_excused_within_grace_of_its_own_rotation(age: int, verdict: Verdict) -> None:
    rotations = [NOW - timedelta(seconds=age), NOW]
    assert judge(1, 3, rotations, NOW, GRACE) is verdict


def test_token_older_than_the_remembered_rotations_is_reuse() -> None:
    assert judge(0, 3, [NOW], NOW, GRACE) is Verdict.REUSE


def test_token_from_the_future_is_forged() -> None:
    assert judge(4, 3, [NOW], NOW, GRACE) is Verdict.FORGED


@given(st.lists(st.integers(0, 40), min_size=1, max_size=80))
def test_remembered_rotations_decide_as_the_full_history_would(gaps: list[int]) -> None:
    history: list[datetime] = []
    kept: list[datetime] = []
    now = NOW
    for gap in gaps:
        now += timedelta(seconds=gap)
        kept = remember(kept, now, GRACE)
        history.append(now)
    current = len(history)
    for presented in range(max(0, current - 64), current + 1):
        assert judge(presented, current, kept, now, GRACE) is judge(presented, current, history, now, GRACE)
    assert len(kept) <= 64


def test_one_time_token_is_found_by_its_digest_only() -> None:
    tenant = uuid4()
    token = one_time_tokens.issue(tenant)
    assert one_time_tokens.parse(token.text) == token
    assert token.tenant_id == tenant
    assert token.text.encode() not in token.digest
    assert len(base64.urlsafe_b64decode(token.text)) - 16 == 256 // 8


@given(st.text(max_size=80))
def test_one_time_token_parser_refuses_other_texts(text: str) -> None:
    token = one_time_tokens.parse(text)
    assert token is None or token.text == text


def test_api_key_shape() -> None:
    key = api_keys.generate()
    assert key.startswith("td_live_")
    assert len(key) == api_keys.LENGTH
    assert api_keys.is_well_formed(key)
    assert api_keys.generate() != key


@given(st.integers(8, api_keys.LENGTH - 1), st.sampled_from("0Aaz9Zb"))
def test_one_wrong_character_is_noticed_without_a_query(position: int, character: str) -> None:
    key = api_keys.generate()
    changed = key[:position] + character + key[position + 1 :]
    assert api_keys.is_well_formed(changed) == (changed == key)


@pytest.mark.parametrize("text", ["", "td_live_", "td_test_" + "a" * 42, "td_live_" + "é" * 42, "x" * 500])
def test_other_texts_are_not_api_keys(text: str) -> None:
    assert not api_keys.is_well_formed(text)


def test_stored_digest_depends_on_the_pepper() -> None:
    key = api_keys.generate()
    assert api_keys.digest(b"a" * 32, key) != api_keys.digest(b"b" * 32, key)
    assert key not in api_keys.shown_prefix(key)
    assert key.startswith(api_keys.shown_prefix(key))
