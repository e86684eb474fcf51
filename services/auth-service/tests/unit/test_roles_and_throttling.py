"""Roles, scopes and waits."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth_service.api_keys.service import require_within_own
from auth_service.security import roles, throttling
from shared.errors import ForbiddenError
from shared.models.identity import ROLE_RANK, Identity, Role

pytestmark = pytest.mark.unit

any_role = st.sampled_from(sorted(ROLE_RANK))
any_scopes = st.sets(st.sampled_from(roles.SCOPES))


@given(any_role, any_role)
def test_nobody_grants_above_the_own_role(actor: Role, role: Role) -> None:
    if ROLE_RANK[role] > ROLE_RANK[actor]:
        with pytest.raises(ForbiddenError):
            roles.require_may_grant(actor, role)
        with pytest.raises(ForbiddenError):
            roles.require_may_manage(actor, role)
    else:
        roles.require_may_grant(actor, role)
        roles.require_may_manage(actor, role)


@given(any_scopes, any_role)
def test_a_key_never_acts_above_its_creator(scopes: set[str], creator: Role) -> None:
    acting = roles.role_of(roles.capped(scopes, creator))
    assert acting is None or ROLE_RANK[acting] <= ROLE_RANK[creator]
    assert set(roles.capped(scopes, creator)) <= set(roles.with_implied(scopes))


@given(any_scopes, any_role, any_scopes)
def test_a_key_is_at_most_as_strong_as_whoever_makes_it(wanted: set[str], role: Role, held: set[str]) -> None:
    by_person = Identity(uuid4(), uuid4(), role)
    by_key = Identity(uuid4(), uuid4(), role, frozenset(held), kind="api_key")
    for maker, own in (
        (by_person, set(roles.scopes_of(role))),
        (by_key, set(roles.scopes_of(role)) & held),
    ):
        if wanted <= own:
            require_within_own(maker, sorted(wanted))
        else:
            with pytest.raises(ForbiddenError):
                require_within_own(maker, sorted(wanted))


@pytest.mark.parametrize(
    ("scopes", "role"), [(["read"], "viewer"), (["write"], "operator"), (["admin"], "admin"), ([], None)]
)
def test_role_of_scopes(scopes: list[str], role: Role | None) -> None:
    assert roles.role_of(scopes) == role


def test_no_key_reaches_the_owner_role() -> None:
    assert roles.role_of(roles.capped(roles.SCOPES, "owner")) == "admin"


def test_wait_doubles_up_to_the_cap() -> None:
    cap = timedelta(seconds=300)
    waits = [throttling.delay_after(n, 5, cap).total_seconds() for n in range(1, 16)]
    assert waits[:8] == [0, 0, 0, 0, 1, 2, 4, 8]
    assert waits[-1] == 300
    assert throttling.delay_after(10_000, 5, cap) == cap


@pytest.mark.parametrize(
    ("ip", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        (None, "unknown"),
        ("nonsense", "unknown"),
    ],
)
def test_limits_count_by_network(ip: str | None, network: str) -> None:
    assert throttling.network_of(ip) == network


def test_spellings_of_an_address_share_a_counter() -> None:
    assert throttling.address_key(" Ada@Example.com") == throttling.address_key("ada@example.com")
    assert "ada" not in throttling.address_key("ada@example.com")
