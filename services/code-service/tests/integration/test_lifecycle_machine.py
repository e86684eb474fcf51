"""Codes under any sequence of allocations, transitions, changes of date and passing of time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from code_service.allocation import sweeper
from code_service.app import create_app
from code_service.settings import Settings
from shared.testing import TokenMint
from shared.testing.stepped import SteppedService
from shared.utils import uuid7

from .codes_kit import Codes


@dataclass
class Known:
    """What the machine believes of one code. Times are seconds of the clock."""

    status: str = "available"
    expires: float | None = None
    reserved: float = 0.0
    steps: int = 1


class CodeMachine(RuleBasedStateMachine):
    """One tenant's pool beside a model of it."""

    world: SteppedService[FastAPI]
    names = Bundle("names")

    def __init__(self) -> None:
        super().__init__()
        lasting = int(self.world.clock.now().timestamp()) + 10**7
        self.codes = Codes(self.world.client, self.world.mint.headers(uuid7(), exp=lasting))
        self.model: dict[str, Known] = {}
        self.by_key: dict[str, tuple[str, int | None]] = {}

    @property
    def now(self) -> float:
        return self.world.clock.now().timestamp()

    def status(self, name: str) -> str:
        known = self.model[name]
        status = known.status
        if status == "reserved" and known.reserved <= self.now:
            status = "available"
        if status == "available" and self._is_past(known):
            return "expired"
        return status

    def _is_past(self, known: Known) -> bool:
        return known.expires is not None and known.expires <= self.now

    def _call(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return self.world.run(self.codes.call(method, path, body))

    @rule(target=names, life=st.none() | st.integers(1, 500))
    def create(self, life: int | None) -> str:
        name = f"CODE-{len(self.model)}"
        expires = None if life is None else self.now + life
        answer = self._call("POST", "/codes", {"code": name, "expires_at": expires})
        assert answer.status_code == 201
        self.model[name] = Known(expires=expires)
        return name

    @rule(ttl=st.none() | st.integers(1, 300), used=st.booleans())
    def allocate(self, ttl: int | None, used: bool) -> None:
        free = {name for name in self.model if self.status(name) == "available"}
        # A reservation that is over is free again once the sweeper has been there.
        certain = {name for name in free if self.model[name].status == "available"}
        query = "" if ttl else f"?mark_used={str(used).lower()}"
        answer = self._call("POST", f"/codes/allocate{query}", {"ttl_seconds": ttl})
        if not certain:
            assert answer.status_code == 404
            return
        name = answer.json()["data"]["code"]
        assert name in certain
        self._took(name, "reserved" if ttl else "used" if used else "allocated", ttl)

    @rule(count=st.integers(2, 5), ttl=st.none() | st.integers(1, 300), partial=st.booleans())
    def allocate_batch(self, count: int, ttl: int | None, partial: bool) -> None:
        free = {name for name, known in self.model.items() if known.status == "available"}
        certain = {name for name in free if self.status(name) == "available"}
        body = {"count": count, "ttl_seconds": ttl, "partial": partial}
        answer = self._call("POST", "/codes/allocate/batch", body)
        if not certain:
            assert answer.status_code == 404
        elif len(certain) < count and not partial:
            assert answer.status_code == 409
        else:
            given = [code["code"] for code in answer.json()["data"]["codes"]]
            assert len(given) == len(set(given)) == min(count, len(certain))
            assert set(given) <= certain
            for name in given:
                self._took(name, "reserved" if ttl else "allocated", ttl)

    @rule(ttl=st.none() | st.integers(1, 300))
    def allocate_with_a_key(self, ttl: int | None) -> None:
        """The key is new; what it got once it gets again, whatever became of the code meanwhile."""
        certain = {name for name in self.model if self.status(name) == "available"}
        certain = {name for name in certain if self.model[name].status == "available"}
        key = f"key-{len(self.by_key)}"
        answer = self._keyed(key, ttl)
        if not certain:
            assert answer.status_code == 404
            return
        name = answer.json()["data"]["code"]
        assert name in certain
        self._took(name, "reserved" if ttl else "used", ttl)
        self.by_key[key] = (name, ttl)

    @rule()
    def repeat_all_keys(self) -> None:
        for key, (name, ttl) in self.by_key.items():
            answer = self._keyed(key, ttl)
            assert (answer.json()["data"]["code"], answer.headers["idempotent-replayed"]) == (name, "true")

    def _keyed(self, key: str, ttl: int | None) -> httpx.Response:
        body = {"ttl_seconds": ttl}
        return self.world.run(self.codes.call("POST", "/codes/allocate", body, Idempotency_Key=key))

    def _took(self, name: str, status: str, ttl: int | None) -> None:
        known = self.model[name]
        known.status = status
        known.reserved = self.now + (ttl or 0)
        known.steps += 2 if status == "used" else 1

    @rule(name=names)
    def mark_used(self, name: str) -> None:
        allowed = self.status(name) in ("available", "reserved", "allocated")
        allowed = allowed and not self._is_past(self.model[name])
        self._move(name, "mark-used", "used", allowed=allowed)

    @rule(name=names)
    def release(self, name: str) -> None:
        self._move(name, "release", "available", allowed=self.status(name) in ("reserved", "allocated"))

    @rule(name=names)
    def revoke(self, name: str) -> None:
        self._move(name, "revoke", "revoked", allowed=self.status(name) not in ("used", "revoked"))

    @rule(name=names)
    def roll_back(self, name: str) -> None:
        self._move(name, "rollback", "allocated", allowed=self.status(name) == "used")

    def _move(self, name: str, action: str, target: str, *, allowed: bool) -> None:
        body = {"reason": "because"} if action == "rollback" else None
        answer = self._call("POST", f"/codes/{name.lower()}/{action}", body)
        assert answer.status_code == (200 if allowed else 409), answer.text
        if allowed:
            self.model[name].status = target
            self.model[name].steps += 1

    @rule(name=names, life=st.none() | st.integers(1, 500))
    def change_date(self, name: str, life: int | None) -> None:
        known = self.model[name]
        known.expires = None if life is None else self.now + life
        known.steps += 1
        assert self._call("PUT", f"/codes/{name}", {"expires_at": known.expires}).status_code == 200
        if known.status == "expired":
            known.status = "available"

    @rule(seconds=st.integers(1, 400))
    def pass_time(self, seconds: int) -> None:
        self.world.clock.advance(seconds)

    @rule()
    def sweep(self) -> None:
        while self.world.run(sweeper.sweep(self.world.app.state.runtime)):
            pass
        for known in self.model.values():
            if known.status == "reserved" and known.reserved <= self.now:
                known.status = "available"
                known.steps += 1
            if known.status == "available" and self._is_past(known):
                known.status = "expired"
                known.steps += 1

    @invariant()
    def service_and_model_agree(self) -> None:
        found = self._call("GET", "/codes?limit=200").json()["data"]
        assert {code["code"]: code["status"] for code in found} == {n: self.status(n) for n in self.model}

    def teardown(self) -> None:
        """The history of each code is a chain from its making to its present status."""
        for name, known in self.model.items():
            history = self.world.run(self.codes.history(name))
            assert len(history) == known.steps
            moves = [step for step in history if step[0] != "update"]
            assert moves[0] == ("create", None, "available")
            assert moves[-1][2] == known.status or known.status == "available"


def test_codes_obey_their_lifecycle(database_template: str, mint: TokenMint) -> None:
    app = create_app(Settings(python_env="test", events_url="postgres://", sweep_seconds=3600))
    CodeMachine.world = SteppedService(app, "code", database_template, mint)
    try:
        run_state_machine_as_test(
            CodeMachine,
            settings=settings(
                max_examples=50,
                stateful_step_count=40,
                deadline=None,
                phases=[Phase.generate, Phase.shrink],
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        CodeMachine.world.close()
