"""Forgotten and changed passwords."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import httpx

from auth_service.app import create_app
from shared.database import SimpleDatabase
from shared.testing import FakeClock, TokenMint
from shared.testing.clients import service_client

from .support import OTHER_PASSWORD, PASSWORD, SERVICE, Accounts, CountingHasher, cheap_settings, code


async def reset(accounts: Accounts, token: str, password: str = OTHER_PASSWORD) -> httpx.Response:
    body = {"token": token, "new_password": password}
    return await accounts.client.post("/auth/password/reset", json=body)


async def test_reset_sets_the_password_and_ends_all_sessions(accounts: Accounts) -> None:
    ada = await accounts.register("ada@example.com")
    phone = await accounts.signed_in(ada.email)
    assert (await accounts.forgot("ADA@example.com")).status_code == 200
    (told,) = await accounts.events("auth.password_reset.requested.v1")
    assert "token" not in str(told)
    token = await accounts.mailed_token("auth.password_reset")
    assert (await reset(accounts, token)).status_code == 200
    for session in (ada, phone):
        assert (await accounts.refresh(session.refresh_token)).status_code == 401
    assert (await accounts.login(ada.email, PASSWORD)).status_code == 401
    assert (await accounts.login(ada.email, OTHER_PASSWORD)).status_code == 200
    assert len(await accounts.events("auth.session.revoked.v1")) == 2
    assert "password.reset" in await accounts.audit(ada.tenant_id)


async def test_forgotten_password_of_an_unknown_address_gets_the_same_answer(accounts: Accounts) -> None:
    await accounts.register("ada@example.com")
    known = await accounts.forgot("ada@example.com")
    unknown = await accounts.forgot("nobody@example.com")
    assert known.status_code == unknown.status_code == 200
    assert known.json()["message"] == unknown.json()["message"]
    assert len(await accounts.mails("auth.password_reset")) == 1


async def test_the_running_service_mails_the_link(
    db: SimpleDatabase, mint: TokenMint, accounts: Accounts
) -> None:
    """The same through the job worker, as in production."""
    ada = await accounts.register("ada@example.com")
    settings = cheap_settings(service_role="all")
    app = create_app(settings, CountingHasher(settings))
    async with service_client(app, db, mint, FakeClock(datetime.now(UTC))) as client:
        await app.state.runtime.events._relay.stop()
        answer = await client.post("/auth/password/forgot", json={"email": ada.email})
        assert answer.status_code == 200
        async with asyncio.timeout(20):
            while not await accounts.mails("auth.password_reset"):  # noqa: ASYNC110  # another process's row
                await asyncio.sleep(0.02)


async def test_reset_link_works_once_and_for_an_hour(accounts: Accounts) -> None:
    ada = await accounts.register()
    await accounts.forgot(ada.email)
    token = await accounts.mailed_token("auth.password_reset")
    answers = await asyncio.gather(*(reset(accounts, token) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers)[:2] == [200, 400]
    assert [answer.status_code for answer in answers].count(200) == 1
    await accounts.forgot(ada.email)
    token = await accounts.mailed_token("auth.password_reset")
    accounts.clock.advance(3600)
    late = await reset(accounts, token, PASSWORD)
    assert (late.status_code, code(late)) == (400, "INVALID_TOKEN")


async def test_newer_link_replaces_the_older(accounts: Accounts) -> None:
    ada = await accounts.register()
    await accounts.forgot(ada.email)
    old = await accounts.mailed_token("auth.password_reset")
    await accounts.forgot(ada.email)
    assert (await reset(accounts, old)).status_code == 400
    assert (await reset(accounts, await accounts.mailed_token("auth.password_reset"))).status_code == 200


async def test_weak_password_leaves_the_link_usable(accounts: Accounts) -> None:
    ada = await accounts.register()
    await accounts.forgot(ada.email)
    token = await accounts.mailed_token("auth.password_reset")
    weak = await reset(accounts, token, "Northwind-2024")
    assert (weak.status_code, code(weak)) == (400, "WEAK_PASSWORD")
    assert (await reset(accounts, token)).status_code == 200


async def test_made_up_links_are_refused(accounts: Accounts) -> None:
    ada = await accounts.register()
    await accounts.forgot(ada.email)
    token = await accounts.mailed_token("auth.password_reset")
    verify = await accounts.mailed_token("auth.verify_email")
    for text in ("x", "é" * 64, token[:-1], token[:-4] + "AAAA", verify, token + "A"):
        answer = await reset(accounts, text)
        assert (answer.status_code, code(answer)) == (400, "INVALID_TOKEN")


async def test_reset_ends_the_wait_after_failures(accounts: Accounts) -> None:
    ada = await accounts.register()
    far = {"x-forwarded-for": "198.51.100.7"}
    for _ in range(5):
        await accounts.login(ada.email, "wrong password here", **far)
    assert (await accounts.login(ada.email, **far)).status_code == 429
    await accounts.forgot(ada.email)
    await reset(accounts, await accounts.mailed_token("auth.password_reset"))
    assert (await accounts.login(ada.email, OTHER_PASSWORD, **far)).status_code == 200


async def test_reset_by_the_mailbox_owner_takes_a_prepared_account_over(accounts: Accounts) -> None:
    """A stranger registered the address and left an API key; the mailbox's owner resets the password."""
    stranger = await accounts.register("ada@example.com", verify=False)
    body = {"name": "back door", "scopes": ["admin"]}
    made = await accounts.client.post("/api-keys", json=body, headers=stranger.headers)
    key = made.json()["data"]["key"]
    await accounts.forgot("ada@example.com")
    assert (await reset(accounts, await accounts.mailed_token("auth.password_reset"))).status_code == 200
    assert (await accounts.refresh(stranger.refresh_token)).status_code == 401
    exchange = await accounts.client.post("/internal/api-keys/exchange", json={"key": key}, headers=SERVICE)
    assert exchange.status_code == 401
    ada = await accounts.signed_in("ada@example.com", OTHER_PASSWORD)
    assert ada.body["user"]["email_verified"] is True


async def test_ambiguous_unproven_address_gets_no_reset(accounts: Accounts) -> None:
    await accounts.register("ada@example.com", verify=False)
    await accounts.register("ada@example.com", verify=False)
    assert (await accounts.forgot("ada@example.com")).status_code == 200
    assert await accounts.mails("auth.password_reset") == []


async def test_reset_mails_to_one_address_are_limited(accounts: Accounts) -> None:
    for email in ("ada@example.com", "nobody@example.com"):
        statuses = [(await accounts.forgot(email)).status_code for _ in range(6)]
        assert statuses == [200] * 5 + [429]


async def test_change_needs_the_present_password(accounts: Accounts) -> None:
    ada = await accounts.register()
    phone = await accounts.signed_in(ada.email)
    body = {"current_password": "something else entirely", "new_password": OTHER_PASSWORD}
    wrong = await accounts.client.post("/auth/password/change", json=body, headers=ada.headers)
    assert (wrong.status_code, code(wrong)) == (401, "INVALID_CREDENTIALS")
    assert wrong.json()["error"]["field"] == "current_password"
    body["current_password"] = PASSWORD
    right = await accounts.client.post("/auth/password/change", json=body, headers=ada.headers)
    assert right.json()["data"] == {"revoked": 1}
    assert (await accounts.refresh(ada.refresh_token)).status_code == 200
    assert (await accounts.refresh(phone.refresh_token)).status_code == 401
    assert (await accounts.login(ada.email, OTHER_PASSWORD)).status_code == 200


async def test_change_can_leave_other_sessions_alone(accounts: Accounts) -> None:
    ada = await accounts.register()
    phone = await accounts.signed_in(ada.email)
    body = {
        "current_password": PASSWORD,
        "new_password": OTHER_PASSWORD,
        "revoke_other_sessions": False,
    }
    await accounts.client.post("/auth/password/change", json=body, headers=ada.headers)
    assert (await accounts.refresh(phone.refresh_token)).status_code == 200


async def test_change_with_a_stolen_token_cannot_be_brute_forced(accounts: Accounts) -> None:
    ada = await accounts.register()
    statuses = []
    for n in range(6):
        body = {"current_password": f"guess number {n}", "new_password": OTHER_PASSWORD}
        answer = await accounts.client.post("/auth/password/change", json=body, headers=ada.headers)
        statuses.append(answer.status_code)
    assert statuses == [401] * 5 + [429]


async def test_change_kills_an_open_reset_link(accounts: Accounts) -> None:
    ada = await accounts.register()
    await accounts.forgot(ada.email)
    token = await accounts.mailed_token("auth.password_reset")
    body = {"current_password": PASSWORD, "new_password": OTHER_PASSWORD}
    await accounts.client.post("/auth/password/change", json=body, headers=ada.headers)
    assert (await reset(accounts, token, "another-good-password-9")).status_code == 400


async def test_two_changes_at_once_do_not_overwrite_each_other(accounts: Accounts) -> None:
    ada = await accounts.register()
    news = ["first-otter-in-the-river", "second-otter-in-the-river"]
    bodies = [{"current_password": PASSWORD, "new_password": new} for new in news]
    answers = await asyncio.gather(
        *(accounts.client.post("/auth/password/change", json=body, headers=ada.headers) for body in bodies)
    )
    winners = [new for new, answer in zip(news, answers, strict=True) if answer.status_code == 200]
    assert len(winners) == 1
    assert (await accounts.login(ada.email, winners[0])).status_code == 200
