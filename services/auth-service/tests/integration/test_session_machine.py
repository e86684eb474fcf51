"""Sessions under any sequence of sign-ins, refreshes, replays, races and revocations."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from auth_service.app import create_app
from shared.testing import TokenMint
from shared.testing.stepped import SteppedService
from shared.utils.ids import uuid7

from .support import PASSWORD, Accounts, CountingHasher, Person, cheap_settings

GRACE = 30


@dataclass
class Chain:
    """The model of one session: its tokens in order, and when each was replaced."""

    person: Person
    tokens: list[str]
    access: list[str]
    replaced_at: list[float] = field(default_factory=list)
    alive: bool = True


class World(SteppedService[FastAPI]):
    """The running service and those who use it."""

    def __init__(self, template: str, mint: TokenMint) -> None:
        config = cheap_settings(
            register_address_limit=10**6, register_ip_limit=10**6, login_ip_failures=10**6
        )
        super().__init__(create_app(config, CountingHasher(config)), "auth", template, mint)
        self.run(self.app.state.runtime.events._relay.stop())
        self.accounts = Accounts(self.client, self.app, self.db, self.clock)


class SessionMachine(RuleBasedStateMachine):
    """One operator and their owner. Never waits twelve hours, so that only the rules end sessions."""

    world: World
    chains = Bundle("chains")

    def __init__(self) -> None:
        super().__init__()
        accounts = self.world.accounts
        self.owner = self.world.run(accounts.register(f"{uuid7().hex}@example.com"))
        self.member = self.world.run(accounts.add_member(self.owner, "operator"))
        self.disabled = False
        self.all: list[Chain] = []

    def _keep(self, person: Person) -> Chain:
        chain = Chain(person, [person.refresh_token], [person.access_token])
        self.all.append(chain)
        return chain

    @property
    def now(self) -> float:
        return self.world.clock.monotonic()

    def _refresh(self, token: str) -> dict[str, Any] | None:
        answer = self.world.run(self.world.accounts.refresh(token))
        assert answer.status_code in (200, 401), answer.text
        return answer.json()["data"]["tokens"] if answer.status_code == 200 else None

    @initialize(target=chains)
    def first_session(self) -> Chain:
        return self._keep(self.member)

    @precondition(lambda self: len(self.all) < 4)
    @rule(target=chains)
    def sign_in(self) -> Chain | Any:
        answer = self.world.run(self.world.accounts.login(self.member.email))
        if self.disabled:
            assert answer.status_code == 401
            self.world.clock.advance(301)
            return self.all[0]
        data = answer.json()["data"]["tokens"]
        person = Person(
            self.member.email,
            PASSWORD,
            self.member.id,
            self.member.tenant_id,
            data["access_token"],
            data["refresh_token"],
            data["session_id"],
            {},
        )
        return self._keep(person)

    @rule(chain=chains, times=st.integers(1, 3), pause=st.sampled_from([0, 20, 40]))
    def refresh(self, chain: Chain, times: int, pause: int) -> None:
        for _ in range(times):
            self._accept(chain, self._refresh(chain.tokens[-1]), len(chain.tokens) - 1)
            self.world.clock.advance(pause)

    @rule(chain=chains, back=st.integers(1, 4))
    def replay(self, chain: Chain, back: int) -> None:
        presented = max(0, len(chain.tokens) - 1 - back)
        self._accept(chain, self._refresh(chain.tokens[presented]), presented)

    def _accept(self, chain: Chain, got: dict[str, Any] | None, presented: int) -> None:
        """Compare an answer with what the rules say, and follow it in the model."""
        current = len(chain.tokens) - 1
        if not chain.alive:
            assert got is None
        elif presented == current:
            assert got is not None
            assert got["refresh_token"] not in chain.tokens
            chain.tokens.append(got["refresh_token"])
            chain.access.append(got["access_token"])
            chain.replaced_at.append(self.now)
        elif presented == current - 1 or self.now - chain.replaced_at[presented] <= GRACE:
            assert got is not None
            assert got["refresh_token"] == chain.tokens[current]
        else:
            assert got is None
            chain.alive = False

    @rule(chain=chains, callers=st.integers(2, 5))
    def refresh_at_once(self, chain: Chain, callers: int) -> None:
        async def together() -> list[Any]:
            token = chain.tokens[-1]
            return await asyncio.gather(*(self.world.accounts.refresh(token) for _ in range(callers)))

        answers = self.world.run(together())
        if not chain.alive:
            assert {answer.status_code for answer in answers} == {401}
            return
        successors = {answer.json()["data"]["tokens"]["refresh_token"] for answer in answers}
        assert len(successors) == 1
        self._accept(chain, answers[0].json()["data"]["tokens"], len(chain.tokens) - 1)

    @rule(chain=chains, counter=st.integers(0, 10))
    def forge(self, chain: Chain, counter: int) -> None:
        """A token with a wrong key changes nothing, whatever it says."""
        text = chain.tokens[min(counter, len(chain.tokens) - 1)]
        forged = text[:-8] + ("A" * 8 if not text.endswith("A" * 8) else "B" * 8)
        assert self._refresh(forged) is None

    @precondition(lambda self: len(self.all) > 1)
    @rule(chain=chains)
    def log_out(self, chain: Chain) -> None:
        headers = {"Authorization": f"Bearer {chain.access[-1]}"}
        answer = self.world.run(self.world.accounts.client.post("/auth/logout", headers=headers))
        # An access token that has ended by itself cannot sign out; the session then lives on.
        if answer.status_code == 200:
            chain.alive = False

    @precondition(lambda self: self.disabled or len(self.all) > 2)
    @rule(status=st.sampled_from(["disabled", "active"]))
    def set_status(self, status: str) -> None:
        owner = self.world.run(self.world.accounts.signed_in(self.owner.email))
        path = f"/users/{self.member.id}"
        answer = self.world.run(
            self.world.accounts.client.patch(path, json={"status": status}, headers=owner.headers)
        )
        assert answer.status_code == 200, answer.text
        changed = self.disabled != (status == "disabled")
        self.disabled = status == "disabled"
        for chain in self.all if changed else []:
            chain.alive = False

    @rule(seconds=st.sampled_from([1, 15, 29, 30, 31, 60]))
    def wait(self, seconds: int) -> None:
        self.world.clock.advance(seconds)

    @invariant()
    def live_sessions_are_those_of_the_model(self) -> None:
        """One row per live chain: a session has one counter, so it can never fork."""

        async def live() -> set[str]:
            async with self.world.accounts.db.tenant_tx(self.member.tenant_id) as tx:
                rows = await tx.fetch(
                    "SELECT id, counter FROM session WHERE user_id = $1 AND revoked_at IS NULL",
                    self.member.id,
                )
            return {f"{row['id']}:{row['counter']}" for row in rows}

        expected = {f"{chain.person.session_id}:{len(chain.tokens) - 1}" for chain in self.all if chain.alive}
        assert self.world.run(live()) == expected

    @rule(chain=chains)
    def use_access_token(self, chain: Chain) -> None:
        """Ten minutes is its own life; within that, only the session decides."""
        valid = self.world.run(self.world.accounts.is_valid(chain.access[-1]))
        assert chain.alive or not valid


def test_no_sequence_of_events_breaks_the_rules_of_sessions(database_template: str, mint: TokenMint) -> None:
    world = World(database_template, mint)
    try:
        machine = type("Machine", (SessionMachine,), {"world": world})
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=25,
                stateful_step_count=30,
                deadline=None,
                # A failing sequence is short enough to read; shrinking it over HTTP takes minutes.
                phases=[Phase.explicit, Phase.reuse, Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        world.close()


pytestmark = pytest.mark.integration
