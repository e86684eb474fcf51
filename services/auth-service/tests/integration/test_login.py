"""Signing in, waits after failures, and what an unknown address costs."""

from __future__ import annotations

import asyncio
import statistics
import time

import pytest

from auth_service.app import create_app
from auth_service.context import RequestInfo
from auth_service.limits import service as limits
from shared.database import SimpleDatabase
from shared.testing import FakeClock, TokenMint
from shared.testing.clients import service_client

from .support import OTHER_PASSWORD, PASSWORD, Accounts, CountingHasher, cheap_settings, code, person

FAR = {"x-forwarded-for": "198.51.100.7"}


async def test_login_gives_a_new_session(accounts: Accounts) -> None:
    ada = await accounts.register("ada@example.com")
    again = await accounts.signed_in("ADA@example.com ")
    assert again.id == ada.id
    assert again.session_id != ada.session_id
    assert (await accounts.audit(ada.tenant_id))[-1] == "login.succeeded"


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("ada@example.com", OTHER_PASSWORD),
        ("nobody@example.com", PASSWORD),
        ("not an address", PASSWORD),
        ("ada@example.com' OR '1'='1", PASSWORD),
        ("ada@example.com", "x" * 1024),
    ],
)
async def test_wrong_credentials_look_alike(accounts: Accounts, email: str, password: str) -> None:
    await accounts.register("ada@example.com")
    answer = await accounts.login(email, password)
    assert (answer.status_code, code(answer)) == (401, "INVALID_CREDENTIALS")
    assert answer.json()["error"]["message"] == "E-mail address or password is wrong"


async def test_unknown_address_costs_one_real_hash(accounts: Accounts, hasher: CountingHasher) -> None:
    await accounts.register("ada@example.com")
    hasher.verified = 0
    await accounts.login("ada@example.com", OTHER_PASSWORD)
    assert hasher.verified == 1
    await accounts.login("nobody@example.com", OTHER_PASSWORD)
    assert hasher.verified == 2


async def test_login_time_does_not_tell_known_from_unknown_addresses(
    db: SimpleDatabase, mint: TokenMint, clock: FakeClock
) -> None:
    """Medians of interleaved failures; hashing dominates, so that a skipped hash would show as a factor."""
    settings = cheap_settings(
        argon2_memory_kib=8192, argon2_time_cost=2, login_free_attempts=1000, login_ip_failures=10_000
    )
    hasher = CountingHasher(settings)
    app = create_app(settings, hasher)
    async with service_client(app, db, mint, clock) as client:
        accounts = Accounts(client, app, db, clock)
        await app.state.runtime.events._relay.stop()
        await accounts.register("ada@example.com")
        times: dict[str, list[float]] = {"ada@example.com": [], "nobody@example.com": []}
        for _ in range(60):
            for email, taken in times.items():
                started = time.perf_counter()
                answer = await accounts.login(email, OTHER_PASSWORD)
                taken.append(time.perf_counter() - started)
                assert answer.status_code == 401
    known, unknown = (statistics.median(taken) for taken in times.values())
    assert 0.6 < unknown / known < 1.6
    assert hasher.verified == 120


async def test_failures_make_an_account_wait_longer_and_longer(accounts: Accounts) -> None:
    await accounts.register("ada@example.com")
    for _ in range(5):
        assert (await accounts.login("ada@example.com", OTHER_PASSWORD, **FAR)).status_code == 401
    waits = []
    for _ in range(4):
        refused = await accounts.login("ada@example.com", PASSWORD, **FAR)
        assert (refused.status_code, code(refused)) == (429, "RATE_LIMIT_EXCEEDED")
        waits.append(int(refused.headers["retry-after"]))
        accounts.clock.advance(waits[-1])
        assert (await accounts.login("ada@example.com", OTHER_PASSWORD, **FAR)).status_code == 401
    assert waits == [1, 2, 4, 8]


async def test_unknown_addresses_wait_as_well(accounts: Accounts) -> None:
    statuses = [(await accounts.login("nobody@example.com")).status_code for _ in range(6)]
    assert statuses == [401] * 5 + [429]


async def test_nobody_is_locked_out(accounts: Accounts) -> None:
    """After any number of failures the right password works once the wait, at most five minutes, is over."""
    await accounts.register("ada@example.com")
    for _ in range(20):
        await accounts.login("ada@example.com", OTHER_PASSWORD, **FAR)
        accounts.clock.advance(301)
    assert (await accounts.login("ada@example.com", PASSWORD, **FAR)).status_code == 200
    assert (await accounts.login("ada@example.com", OTHER_PASSWORD, **FAR)).status_code == 401
    assert (await accounts.login("ada@example.com", PASSWORD, **FAR)).status_code == 200


async def test_strangers_cannot_keep_the_owner_out(accounts: Accounts) -> None:
    """The owner's network is known from the registration; the attack comes from elsewhere."""
    await accounts.register("ada@example.com")
    for _ in range(5):
        await accounts.login("ada@example.com", OTHER_PASSWORD, **FAR)
    assert (await accounts.login("ada@example.com", PASSWORD, **FAR)).status_code == 429
    assert (await accounts.login("ada@example.com", PASSWORD)).status_code == 200


async def test_parallel_guesses_are_all_counted(accounts: Accounts) -> None:
    """From many networks at once: at most twenty before the wait begins, one at each end of a wait."""
    await accounts.register("ada@example.com")

    async def guess_together() -> list[int]:
        guesses = (
            accounts.login("ada@example.com", f"guess number {n}", **{"x-forwarded-for": f"198.51.100.{n}"})
            for n in range(30)
        )
        return [answer.status_code for answer in await asyncio.gather(*guesses)]

    statuses = await guess_together()
    assert 5 <= statuses.count(401) <= 20
    assert statuses.count(401) + statuses.count(429) == 30
    refused = await accounts.login("ada@example.com", PASSWORD, **{"x-forwarded-for": "203.0.113.9"})
    assert refused.status_code == 429
    accounts.clock.advance(int(refused.headers["retry-after"]))
    assert (await guess_together()).count(401) == 1


async def test_many_right_sign_ins_at_once_are_no_attack(accounts: Accounts) -> None:
    await accounts.register("ada@example.com")
    for _ in range(2):
        answers = await asyncio.gather(*(accounts.login("ada@example.com") for _ in range(15)))
        assert {answer.status_code for answer in answers} == {200}


async def test_a_full_queue_is_no_failed_sign_in(accounts: Accounts, hasher: CountingHasher) -> None:
    await accounts.register("ada@example.com")
    room, hasher._room = hasher._room, 0
    for _ in range(30):
        busy = await accounts.login("ada@example.com", **FAR)
        assert (busy.status_code, code(busy)) == (503, "SERVICE_UNAVAILABLE")
    hasher._room = room
    assert (await accounts.login("ada@example.com", **FAR)).status_code == 200


async def test_attempts_of_a_process_that_died_are_forgotten(accounts: Accounts) -> None:
    await accounts.register("ada@example.com")
    async with accounts.db.system_tx() as tx:
        for _ in range(20):
            await limits.begin_login(tx, accounts.auth, "ada@example.com", RequestInfo("198.51.100.7"), False)
    assert (await accounts.login("ada@example.com", **FAR)).status_code == 429
    accounts.clock.advance(60)
    assert (await accounts.login("ada@example.com", **FAR)).status_code == 200


async def test_a_network_with_many_failures_waits(accounts: Accounts) -> None:
    for n in range(10):
        assert (await accounts.login(f"user{n}@example.com", **FAR)).status_code == 401
    refused = await accounts.login("ada@example.com", **FAR)
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) <= 600
    assert (await accounts.login("ada@example.com", **{"x-forwarded-for": "203.0.113.9"})).status_code == 401


async def test_rehash_happens_at_login(db: SimpleDatabase, mint: TokenMint, clock: FakeClock) -> None:
    old, new = cheap_settings(), cheap_settings(argon2_time_cost=3)
    app = create_app(old, CountingHasher(old))
    async with service_client(app, db, mint, clock) as client:
        ada = await Accounts(client, app, db, clock).register("ada@example.com", verify=False)
    app = create_app(new, CountingHasher(new))
    async with service_client(app, db, mint, clock) as client:
        assert (await Accounts(client, app, db, clock).login("ada@example.com")).status_code == 200
        assert (await Accounts(client, app, db, clock).login("ada@example.com")).status_code == 200
    async with db.tenant_tx(ada.tenant_id) as tx:
        assert "t=3" in await tx.fetchval("SELECT password_hash FROM member WHERE id = $1", ada.id)


async def test_login_tries_only_the_proven_account_when_there_is_one(
    accounts: Accounts, hasher: CountingHasher
) -> None:
    ada = await accounts.register("ada@example.com", verify=False)
    body = {"tenant_name": "Squatters", "email": "ada@example.com", "password": OTHER_PASSWORD}
    claim = person("ada@example.com", OTHER_PASSWORD, await accounts.client.post("/auth/register", json=body))
    assert (await accounts.signed_in("ada@example.com", PASSWORD)).tenant_id == ada.tenant_id
    assert (await accounts.signed_in("ada@example.com", OTHER_PASSWORD)).tenant_id == claim.tenant_id
    async with accounts.db.tenant_tx(ada.tenant_id) as tx:
        await tx.execute("UPDATE member SET email_verified_at = now() WHERE id = $1", ada.id)
    hasher.verified = 0
    assert (await accounts.login("ada@example.com", OTHER_PASSWORD)).status_code == 401
    assert hasher.verified == 1
    assert (await accounts.signed_in("ada@example.com", PASSWORD)).tenant_id == ada.tenant_id


async def test_reauthentication_makes_a_session_fresh_again(accounts: Accounts) -> None:
    ada = await accounts.register()
    body = {"name": "importer", "scopes": ["read"]}
    accounts.clock.advance(601)
    headers = await renewed(accounts, ada.refresh_token)
    stale = await accounts.client.post("/api-keys", json=body, headers=headers)
    assert (stale.status_code, code(stale)) == (403, "REAUTHENTICATION_REQUIRED")
    wrong = await accounts.client.post(
        "/auth/reauthenticate", json={"password": OTHER_PASSWORD}, headers=headers
    )
    assert wrong.status_code == 401
    right = await accounts.client.post("/auth/reauthenticate", json={"password": PASSWORD}, headers=headers)
    assert right.status_code == 200
    assert (await accounts.client.post("/api-keys", json=body, headers=headers)).status_code == 201


async def renewed(accounts: Accounts, refresh_token: str) -> dict[str, str]:
    answer = await accounts.refresh(refresh_token)
    return {"Authorization": f"Bearer {answer.json()['data']['tokens']['access_token']}"}
