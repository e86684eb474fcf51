"""Signing up, signing in, and keys for programs."""

from __future__ import annotations

import pytest

from demo.client import ApiError
from tests.e2e.system import Customer, System


def test_address_is_proven_by_the_mail_that_registration_sets_off(system: System, customer: Customer) -> None:
    token = system.verification_token(customer.email)
    path = f"/api/v2/messages/{customer.tenant}"
    mail = {"to": {"email": "friend@example.com"}, "subject": "Hello", "text": "Hello"}
    with pytest.raises(ApiError) as unproven:
        customer.gateway.post(path, mail)
    assert (unproven.value.status, unproven.value.code) == (403, "EMAIL_NOT_VERIFIED")
    user = customer.gateway.post("/auth/verify-email", {"token": token})
    assert user["email"] == customer.email
    known = {"refresh_token": customer.refresh_token}
    customer.gateway.sign_in(
        customer.tenant, customer.gateway.post("/auth/refresh", known)["tokens"]["access_token"]
    )
    assert customer.gateway.post(path, mail)["state"] == "queued"
    with pytest.raises(ApiError) as refused:
        customer.gateway.post("/auth/verify-email", {"token": token})
    assert refused.value.status in (400, 404)


@pytest.mark.parametrize("page", ["/auth/verify-email", "/auth/password/forgot", "/auth/password/reset"])
def test_links_in_mails_open_a_page_without_signing_in(system: System, page: str) -> None:
    answer = system.http.get(page)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    for part in ("/auth/pages/page.css", "/auth/pages/page.js"):
        assert part in answer.text
        assert system.http.get(part).status_code == 200


def test_owner_signs_in_and_goes_on_with_a_new_access_token(system: System, customer: Customer) -> None:
    gateway = system.gateway()
    signed_in = gateway.post("/auth/login", {"email": customer.email, "password": customer.password})
    refreshed = gateway.post("/auth/refresh", {"refresh_token": signed_in["tokens"]["refresh_token"]})
    assert refreshed["tokens"]["refresh_token"] != signed_in["tokens"]["refresh_token"]
    gateway.sign_in(signed_in["tenant"]["id"], refreshed["tokens"]["access_token"])
    assert gateway.get("/auth/me")["user"]["email"] == customer.email


def test_wrong_password_and_unknown_address_get_the_same_answer(system: System, customer: Customer) -> None:
    gateway = system.gateway()
    answers = []
    for email in (customer.email, f"nobody-{customer.email}"):
        with pytest.raises(ApiError) as refused:
            gateway.post("/auth/login", {"email": email, "password": "not the password"})
        answers.append((refused.value.status, refused.value.code, str(refused.value)))
    assert answers[0][:2] == (401, "INVALID_CREDENTIALS")
    assert answers[0] == answers[1]


def test_access_token_of_an_ended_session_is_refused_at_the_door(system: System, customer: Customer) -> None:
    customer.gateway.post("/auth/logout")

    def status_of_next_request() -> int:
        try:
            return customer.gateway.send("GET", f"/api/v2/tags/{customer.tenant}").status_code
        except ApiError as error:
            return error.status

    assert system.wait(status_of_next_request, lambda status: status != 200, "the door to close") == 401


def _make_key(customer: Customer, *scopes: str) -> dict[str, str]:
    made = customer.gateway.post("/api-keys", {"name": "program", "scopes": list(scopes)})
    return {"X-API-Key": made["key"]}


def test_key_may_do_what_its_scopes_say(system: System, customer: Customer) -> None:
    reading, writing = _make_key(customer, "read"), _make_key(customer, "write")
    tag, tags = {"slug": "spring", "name": "Spring"}, f"/api/v2/tags/{customer.tenant}"
    assert system.http.post("/api/v2/tags", json=tag, headers=reading).status_code == 403
    assert system.http.post("/api/v2/tags", json=tag, headers=writing).status_code == 201
    listed = system.http.get(tags, headers=reading).json()["data"]
    assert [item["slug"] for item in listed] == ["spring"]
    source = {"name": "PowerMTA", "type": "powermta"}
    assert system.http.post("/webhook-sources", json=source, headers=writing).status_code == 403


def test_admin_key_opens_settings_under_its_other_header_too(system: System, customer: Customer) -> None:
    admin = {"X-Admin-Key": _make_key(customer, "admin")["X-API-Key"]}
    source = {"name": "PowerMTA", "type": "powermta"}
    assert system.http.post("/webhook-sources", json=source, headers=admin).status_code == 201


def test_made_up_key_is_refused(system: System) -> None:
    answer = system.http.get("/auth/me", headers={"X-API-Key": "tdk_0000_made-up"})
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "UNAUTHORIZED"
