"""Registration and proof of addresses."""

from __future__ import annotations

import asyncio

import pytest

from .support import OTHER_PASSWORD, PASSWORD, Accounts, code


async def test_first_registration_makes_tenant_owner_and_session(accounts: Accounts) -> None:
    ada = await accounts.register("Ada@Example.com", tenant="Café Zoë & Sons", verify=False)
    assert ada.body["user"]["role"] == "owner"
    assert ada.body["user"]["email_verified"] is False
    assert ada.body["tenant"]["slug"] == "cafe-zoe-sons"
    me = await accounts.client.get("/auth/me", headers=ada.headers)
    assert me.json()["data"]["user"]["email"] == "Ada@Example.com"
    assert me.json()["data"]["scopes"] == ["admin", "read", "write"]


async def test_the_others_hear_where_a_tenant_is_now(accounts: Accounts) -> None:
    ada = await accounts.register("ada@example.com")
    for changes in ({"retention_days": 60}, {"time_zone": "Europe/Paris"}, {"time_zone": "Europe/Paris"}):
        assert (await accounts.client.patch("/tenants/current", json=changes, headers=ada.headers)).is_success
    [told] = await accounts.events("auth.tenant.updated.v1")
    assert (told["tenant_id"], told["time_zone"]) == (str(ada.tenant_id), "Europe/Paris")


async def test_registration_tells_the_others(accounts: Accounts) -> None:
    ada = await accounts.register("ada@example.com", verify=False)
    (tenant,) = await accounts.events("auth.tenant.created.v1")
    (user,) = await accounts.events("auth.user.registered.v1")
    (mail,) = await accounts.mails("auth.verify_email")
    assert tenant["tenant_id"] == str(ada.tenant_id)
    assert user["user_id"] == str(ada.id)
    assert user["verify_token"] is None
    assert mail["recipient"] == {
        "email": "ada@example.com",
        "name": "Ada Byron",
        "phone": None,
        "language": "en",
    }
    assert mail["variables"]["url"].startswith("http://localhost:8000/auth/verify-email#token=")
    assert await accounts.audit(ada.tenant_id) == ["tenant.created", "member.created"]


async def test_same_name_gets_another_slug(accounts: Accounts) -> None:
    first = await accounts.register(tenant="Northwind")
    second = await accounts.register(tenant="Northwind")
    assert first.body["tenant"]["slug"] == "northwind"
    assert second.body["tenant"]["slug"].startswith("northwind-")


async def test_unproven_address_can_be_registered_again_into_another_tenant(accounts: Accounts) -> None:
    squatter = await accounts.register("ada@example.com", tenant="Squatters", verify=False)
    ada = await accounts.register("ada@example.com", tenant="Byron Ltd", verify=False)
    assert ada.tenant_id != squatter.tenant_id
    assert ada.body.keys() == squatter.body.keys()
    members = await accounts.client.get("/users", headers=ada.headers)
    assert [member["id"] for member in members.json()["data"]] == [str(ada.id)]


async def test_proven_address_is_taken_and_its_owner_is_told(accounts: Accounts) -> None:
    ada = await accounts.register("ada@example.com")
    body = {"tenant_name": "Another", "email": "ADA@example.com", "password": OTHER_PASSWORD}
    answer = await accounts.client.post("/auth/register", json=body)
    assert (answer.status_code, code(answer)) == (409, "EMAIL_ALREADY_EXISTS")
    (mail,) = await accounts.mails("auth.account_exists")
    assert mail["recipient"]["email"] == "ada@example.com"
    assert len(await accounts.events("auth.tenant.created.v1")) == 1
    assert await accounts.events("message.requested.v1", ada.tenant_id)


async def test_proof_closes_other_claims_on_the_address(accounts: Accounts) -> None:
    squatter = await accounts.register("ada@example.com", tenant="Squatters", verify=False)
    squatter_token = await accounts.mailed_token("auth.verify_email", squatter.tenant_id)
    ada = await accounts.register("ada@example.com", tenant="Byron Ltd")

    assert not await accounts.is_valid(squatter.access_token)
    assert (await accounts.refresh(squatter.refresh_token)).status_code == 401
    late = await accounts.client.post("/auth/verify-email", json={"token": squatter_token})
    assert (late.status_code, code(late)) == (400, "INVALID_TOKEN")
    assert (await accounts.signed_in("ada@example.com")).tenant_id == ada.tenant_id
    (revoked,) = await accounts.events("auth.session.revoked.v1")
    assert revoked["session_id"] == str(squatter.session_id)


async def test_two_proofs_of_one_address_at_once_leave_one_owner(accounts: Accounts) -> None:
    claims = [await accounts.register("ada@example.com", verify=False) for _ in range(3)]
    tokens = [await accounts.mailed_token("auth.verify_email", claim.tenant_id) for claim in claims]
    answers = await asyncio.gather(
        *(accounts.client.post("/auth/verify-email", json={"token": token}) for token in tokens)
    )
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses[0] == 200
    assert all(status in (400, 404, 409, 503) for status in statuses[1:])


async def test_verification_token_works_once_and_for_an_hour(accounts: Accounts) -> None:
    first = await accounts.register(verify=False)
    token = await accounts.mailed_token("auth.verify_email", first.tenant_id)
    assert (await accounts.client.post("/auth/verify-email", json={"token": token})).status_code == 200
    again = await accounts.client.post("/auth/verify-email", json={"token": token})
    assert (again.status_code, code(again)) == (400, "INVALID_TOKEN")

    second = await accounts.register(verify=False)
    token = await accounts.mailed_token("auth.verify_email", second.tenant_id)
    accounts.clock.advance(3600)
    late = await accounts.client.post("/auth/verify-email", json={"token": token})
    assert (late.status_code, code(late)) == (400, "INVALID_TOKEN")


async def test_verification_token_opens_nothing_else(accounts: Accounts) -> None:
    ada = await accounts.register(verify=False)
    token = await accounts.mailed_token("auth.verify_email", ada.tenant_id)
    body = {"token": token, "new_password": OTHER_PASSWORD}
    answer = await accounts.client.post("/auth/password/reset", json=body)
    assert (answer.status_code, code(answer)) == (400, "INVALID_TOKEN")


async def test_resending_kills_the_link_before(accounts: Accounts) -> None:
    ada = await accounts.register(verify=False)
    old = await accounts.mailed_token("auth.verify_email", ada.tenant_id)
    assert (await accounts.client.post("/auth/verify-email/resend", headers=ada.headers)).status_code == 200
    new = await accounts.mailed_token("auth.verify_email", ada.tenant_id)
    assert (await accounts.client.post("/auth/verify-email", json={"token": old})).status_code == 400
    assert (await accounts.client.post("/auth/verify-email", json={"token": new})).status_code == 200
    await accounts.client.post("/auth/verify-email/resend", headers=ada.headers)
    assert len(await accounts.mails("auth.verify_email", ada.tenant_id)) == 2


@pytest.mark.parametrize(
    ("change", "status", "expected"),
    [
        ({"email": "not an address"}, 422, "UNPROCESSABLE"),
        ({"password": "short"}, 400, "VALIDATION_ERROR"),
        ({"password": "password1234"}, 400, "WEAK_PASSWORD"),
        ({"password": "Northwind-2024!"}, 400, "WEAK_PASSWORD"),
        ({"tenant_name": ""}, 422, "UNPROCESSABLE"),
        ({"tenant_name": "   "}, 422, "UNPROCESSABLE"),
        ({"first_name": "see https://evil.test"}, 422, "UNPROCESSABLE"),
        ({"time_zone": "Mars/Olympus"}, 422, "UNPROCESSABLE"),
        ({"surprise": 1}, 422, "UNPROCESSABLE"),
        ({"email": "a\x00b@example.com"}, 422, "UNPROCESSABLE"),
        ({"tenant_name": "a\x00b"}, 422, "UNPROCESSABLE"),
    ],
)
async def test_bad_registrations_are_refused(
    accounts: Accounts, change: dict[str, object], status: int, expected: str
) -> None:
    body = {"tenant_name": "Northwind", "email": "ada@example.com", "password": PASSWORD} | change
    answer = await accounts.client.post("/auth/register", json=body)
    assert (answer.status_code, code(answer)) == (status, expected)
    assert [answer.json()["error"]["field"]] == list(change)
    assert PASSWORD not in answer.text


async def test_one_address_cannot_be_registered_without_end(accounts: Accounts) -> None:
    body = {"tenant_name": "Northwind", "email": "ada@example.com", "password": PASSWORD}
    statuses = [(await accounts.client.post("/auth/register", json=body)).status_code for _ in range(6)]
    assert statuses == [201] * 5 + [429]
    answer = await accounts.client.post("/auth/register", json=body)
    assert int(answer.headers["retry-after"]) > 0
