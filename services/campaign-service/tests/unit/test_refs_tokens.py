"""References and tokens: what one installation made, and nothing else, can be read back."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign_service.sending.refs import RecipientRefs, RefSubject
from campaign_service.sending.tokens import TokenSubject, TrackingTokens

TOKENS, OTHER_TOKENS = TrackingTokens(b"k" * 32), TrackingTokens(b"o" * 32)
REFS, OTHER_REFS = RecipientRefs(b"k" * 32), RecipientRefs(b"o" * 32)


@given(st.uuids(), st.uuids(), st.uuids())
def test_a_token_reads_back(tenant: UUID, campaign: UUID, contact: UUID) -> None:
    token = TOKENS.make(tenant, campaign, contact)
    assert len(token) == 78
    assert TOKENS.read(token) == TokenSubject(tenant, campaign, contact)
    assert OTHER_TOKENS.read(token) is None


@given(st.uuids(), st.uuids(), st.integers(0, 255))
def test_a_reference_reads_back_in_either_case(campaign: UUID, contact: UUID, variant: int) -> None:
    ref = REFS.make(campaign, contact, variant)
    assert len(f"b-{ref}") <= 64
    assert REFS.read(ref) == REFS.read(ref.upper()) == RefSubject(campaign, contact, variant)
    assert REFS.read_address(f"<B-{ref.upper()}@m.example.com>") == RefSubject(campaign, contact, variant)
    assert OTHER_REFS.read(ref) is None


@given(st.integers(0, 77), st.sampled_from("ABab01-_"))
def test_a_changed_token_is_refused(place: int, character: str) -> None:
    token = TOKENS.make(UUID(int=1), UUID(int=2), UUID(int=3))
    changed = token[:place] + character + token[place + 1 :]
    subject = TOKENS.read(changed)
    # the last character carries bits that mean nothing
    assert subject is None or changed[:-1] == token[:-1]


@pytest.mark.parametrize("junk", ["", "x", "=" * 78, "A" * 78, "é" * 78, "A" * 100_000, "a/b+c"])
def test_junk_is_no_token_and_no_reference(junk: str) -> None:
    assert TOKENS.read(junk) is None
    assert REFS.read(junk) is None
    assert REFS.read_address(f"b-{junk}@m.example.com") is None
