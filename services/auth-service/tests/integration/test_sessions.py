"""Refresh tokens, rotation and grace, and ending sessions."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import jwt

from auth_service.security.refresh_tokens import RefreshToken
from shared.utils.ids import uuid7

from .support import OTHER_PASSWORD, SERVICE, Accounts, code


def tokens(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()["data"]["tokens"]
    return result


async def test_refresh_rotates(accounts: Accounts) -> None:
    ada = await accounts.register()
    first = tokens(await accounts.refresh(ada.refresh_token))
    second = tokens(await accounts.refresh(first["refresh_token"]))
    assert len({ada.refresh_token, first["refresh_token"], second["refresh_token"]}) == 3
    assert first["session_id"] == second["session_id"] == str(ada.session_id)
    assert await accounts.is_valid(second["access_token"])


async def test_lost_answer_gives_the_same_successor_again(accounts: Accounts) -> None:
    """The direct parent is excused at any time: the client never received what replaced it."""
    ada = await accounts.register()
    first = tokens(await accounts.refresh(ada.refresh_token))
    accounts.clock.advance(3600)
    repeated = tokens(await accounts.refresh(ada.refresh_token))
    assert repeated["refresh_token"] == first["refresh_token"]


async def test_racing_tabs_are_excused_for_thirty_seconds(accounts: Accounts) -> None:
    ada = await accounts.register()
    first = tokens(await accounts.refresh(ada.refresh_token))
    accounts.clock.advance(10)
    second = tokens(await accounts.refresh(first["refresh_token"]))
    accounts.clock.advance(20)
    late = tokens(await accounts.refresh(ada.refresh_token))
    assert late["refresh_token"] == second["refresh_token"]


async def test_replay_outside_grace_ends_the_session_for_everybody(accounts: Accounts) -> None:
    ada = await accounts.register()
    first = tokens(await accounts.refresh(ada.refresh_token))
    second = tokens(await accounts.refresh(first["refresh_token"]))
    accounts.clock.advance(31)
    replay = await accounts.refresh(ada.refresh_token)
    assert (replay.status_code, code(replay)) == (401, "INVALID_REFRESH_TOKEN")
    assert (await accounts.refresh(second["refresh_token"])).status_code == 401
    assert not await accounts.is_valid(second["access_token"])
    assert (await accounts.audit(ada.tenant_id))[-1] == "session.reuse_detected"
    (revoked,) = await accounts.events("auth.session.revoked.v1")
    assert (revoked["session_id"], revoked["reason"]) == (str(ada.session_id), "refresh_reuse")
    (mail,) = await accounts.mails("auth.session_reuse")
    assert mail["recipient"]["email"] == ada.email


async def test_reuse_ends_only_its_own_session(accounts: Accounts) -> None:
    ada = await accounts.register()
    phone = await accounts.signed_in(ada.email)
    first = tokens(await accounts.refresh(ada.refresh_token))
    await accounts.refresh(first["refresh_token"])
    accounts.clock.advance(31)
    await accounts.refresh(ada.refresh_token)
    assert (await accounts.refresh(phone.refresh_token)).status_code == 200


async def test_concurrent_refreshes_agree_on_one_successor(accounts: Accounts) -> None:
    ada = await accounts.register()
    answers = await asyncio.gather(*(accounts.refresh(ada.refresh_token) for _ in range(8)))
    assert {tokens(answer)["refresh_token"] for answer in answers} == {tokens(answers[0])["refresh_token"]}


async def test_knowing_the_session_id_is_not_enough(accounts: Accounts) -> None:
    """A made-up token of a real session is refused and does not even end it."""
    ada = await accounts.register()
    first = tokens(await accounts.refresh(ada.refresh_token))
    await accounts.refresh(first["refresh_token"])
    accounts.clock.advance(31)
    for counter in range(4):
        forged = RefreshToken.derive(bytes(32), ada.tenant_id, ada.session_id, counter).encode()
        assert (await accounts.refresh(forged)).status_code == 401
    assert await accounts.events("auth.session.revoked.v1") == []


async def test_token_moved_to_another_tenant_is_refused(accounts: Accounts) -> None:
    ada, eve = await accounts.register(), await accounts.register()
    parsed = RefreshToken.parse(ada.refresh_token)
    assert parsed is not None
    moved = RefreshToken(eve.tenant_id, parsed.session_id, parsed.counter, parsed.mac).encode()
    assert (await accounts.refresh(moved)).status_code == 401
    assert (await accounts.refresh(ada.refresh_token)).status_code == 200


async def test_texts_that_are_no_tokens_are_refused(accounts: Accounts) -> None:
    unknown = RefreshToken.derive(bytes(32), uuid4(), uuid4(), 0).encode()
    for text in ("x", "td_rt_", "td_rt_" + "é" * 90, unknown, "td_rt_" + "A" * 91):
        answer = await accounts.refresh(text)
        assert (answer.status_code, code(answer)) == (401, "INVALID_REFRESH_TOKEN")


async def test_unused_sessions_end(accounts: Accounts) -> None:
    owner = await accounts.register()
    operator = await accounts.add_member(owner, "operator")
    accounts.clock.advance(12 * 3600)
    assert (await accounts.refresh(owner.refresh_token)).status_code == 401
    token = tokens(await accounts.refresh(operator.refresh_token))["refresh_token"]
    accounts.clock.advance(14 * 86400)
    assert (await accounts.refresh(token)).status_code == 401


async def test_sessions_end_after_ninety_days_however_busy(accounts: Accounts) -> None:
    operator = await accounts.add_member(await accounts.register(), "operator")
    token = operator.refresh_token
    for _ in range(8):
        accounts.clock.advance(11 * 86400)
        token = tokens(await accounts.refresh(token))["refresh_token"]
    accounts.clock.advance(2 * 86400)
    assert (await accounts.refresh(token)).status_code == 401


async def test_no_token_is_stored(accounts: Accounts) -> None:
    ada = await accounts.register()
    parsed = RefreshToken.parse(ada.refresh_token)
    assert parsed is not None
    async with accounts.db.tenant_tx(ada.tenant_id) as tx:
        stored = await tx.fetchrow("SELECT * FROM session WHERE id = $1", ada.session_id)
    assert stored is not None
    assert not parsed.is_genuine(stored["refresh_key"])
    assert parsed.mac not in [value for value in stored.values() if isinstance(value, bytes)]


async def test_logout_ends_the_session(accounts: Accounts) -> None:
    ada = await accounts.register()
    assert (await accounts.client.post("/auth/logout", headers=ada.headers)).status_code == 200
    assert (await accounts.refresh(ada.refresh_token)).status_code == 401
    assert not await accounts.is_valid(ada.access_token)
    (revoked,) = await accounts.events("auth.session.revoked.v1")
    assert revoked["session_id"] == str(ada.session_id)
    assert (await accounts.client.post("/auth/logout", headers=ada.headers)).status_code == 200
    assert len(await accounts.events("auth.session.revoked.v1")) == 1


async def test_sessions_are_listed_and_ended(accounts: Accounts) -> None:
    ada = await accounts.register()
    phone = await accounts.signed_in(ada.email)
    tablet = await accounts.signed_in(ada.email)
    listed = (await accounts.client.get("/auth/sessions", headers=phone.headers)).json()["data"]
    assert [(row["id"], row["is_current"]) for row in listed] == [
        (str(tablet.session_id), False),
        (str(phone.session_id), True),
        (str(ada.session_id), False),
    ]
    one = await accounts.client.delete(f"/auth/sessions/{tablet.session_id}", headers=phone.headers)
    assert one.json()["data"] == {"revoked": 1}
    others = await accounts.client.delete("/auth/sessions", headers=phone.headers)
    assert others.json()["data"] == {"revoked": 1}
    assert (await accounts.refresh(ada.refresh_token)).status_code == 401
    assert (await accounts.refresh(tablet.refresh_token)).status_code == 401
    assert (await accounts.refresh(phone.refresh_token)).status_code == 200


async def test_sessions_of_others_are_not_there(accounts: Accounts) -> None:
    ada, eve = await accounts.register(), await accounts.register()
    colleague = await accounts.add_member(ada, "admin")
    for stranger in (eve, colleague):
        path = f"/auth/sessions/{ada.session_id}"
        answer = await accounts.client.delete(path, headers=stranger.headers)
        assert (answer.status_code, code(answer)) == (404, "NOT_FOUND")
    assert (await accounts.refresh(ada.refresh_token)).status_code == 200


async def test_ending_sessions_needs_a_fresh_sign_in(accounts: Accounts) -> None:
    ada = await accounts.register()
    phone = await accounts.signed_in(ada.email)
    accounts.clock.advance(601)
    renewed = tokens(await accounts.refresh(ada.refresh_token))
    headers = {"Authorization": f"Bearer {renewed['access_token']}"}
    for path in ("/auth/sessions", f"/auth/sessions/{phone.session_id}"):
        answer = await accounts.client.delete(path, headers=headers)
        assert (answer.status_code, code(answer)) == (403, "REAUTHENTICATION_REQUIRED")
    assert (await accounts.client.get("/auth/sessions", headers=headers)).status_code == 200


async def test_disabled_member_gets_no_tokens(accounts: Accounts) -> None:
    owner = await accounts.register()
    member = await accounts.add_member(owner, "operator")
    answer = await accounts.client.patch(
        f"/users/{member.id}", json={"status": "disabled"}, headers=owner.headers
    )
    assert answer.status_code == 200
    assert (await accounts.refresh(member.refresh_token)).status_code == 401
    assert (await accounts.login(member.email)).status_code == 401
    assert not await accounts.is_valid(member.access_token)


async def test_access_token_carries_what_services_need(accounts: Accounts) -> None:
    ada = await accounts.register("ada@example.com", verify=False)
    header = jwt.get_unverified_header(ada.access_token)
    claims = jwt.decode(ada.access_token, options={"verify_signature": False})
    assert (header["alg"], header["typ"]) == ("EdDSA", "at+jwt")
    assert claims["aud"] == "tidings"
    assert claims["iss"] == "http://localhost:8000"
    assert claims["sub"] == claims["user_id"] == str(ada.id)
    assert claims["tenant_id"] == str(ada.tenant_id)
    assert claims["sid"] == str(ada.session_id)
    assert (claims["role"], claims["scope"], claims["knd"]) == ("owner", "read write admin", "user")
    assert (claims["email"], claims["email_verified"]) == ("ada@example.com", False)
    assert claims["exp"] - claims["iat"] == 600
    assert {"jti", "nbf"} <= claims.keys()


async def test_validate_sees_through_other_tokens(accounts: Accounts) -> None:
    ada, eve = await accounts.register(), await accounts.register()

    async def valid(token: str) -> bool:
        answer = await accounts.client.post("/auth/validate", json={"token": token}, headers=ada.headers)
        assert answer.status_code == 200
        return bool(answer.json()["data"]["valid"])

    assert await valid(ada.access_token)
    assert not await valid(eve.access_token)
    assert not await valid(ada.access_token[:-8] + "AAAAAAAA")


async def test_programs_have_no_sessions(accounts: Accounts) -> None:
    ada = await accounts.register()
    body = {"name": "importer", "scopes": ["admin"]}
    key = (await accounts.client.post("/api-keys", json=body, headers=ada.headers)).json()["data"]["key"]
    exchanged = await accounts.client.post("/internal/api-keys/exchange", json={"key": key}, headers=SERVICE)
    headers = {"Authorization": f"Bearer {exchanged.json()['data']['access_token']}"}
    change = {"current_password": "x", "new_password": OTHER_PASSWORD}
    for answer in (
        await accounts.client.get("/auth/sessions", headers=headers),
        await accounts.client.post("/auth/logout", headers=headers),
        await accounts.client.delete("/auth/sessions", headers=headers),
        await accounts.client.delete(f"/auth/sessions/{uuid7()}", headers=headers),
        await accounts.client.get("/users/profile", headers=headers),
        await accounts.client.post("/auth/password/change", json=change, headers=headers),
        await accounts.client.post("/auth/reauthenticate", json={"password": "x"}, headers=headers),
    ):
        assert (answer.status_code, code(answer)) == (403, "FORBIDDEN")
    me = (await accounts.client.get("/auth/me", headers=headers)).json()["data"]
    assert (me["kind"], me["user"], me["api_key"]["name"]) == ("api_key", None, "importer")
