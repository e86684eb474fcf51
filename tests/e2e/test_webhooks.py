"""Webhooks that were accepted are kept, whatever happens next."""

from __future__ import annotations

from typing import Any

from tests.e2e.system import Customer, System

UNKNOWN_MAIL = (
    "d,2026-01-0{day} 10:00:00+0000,,bounce@elsewhere.test,x{day}@elsewhere.test,,relayed,2.0.0\r\n"
)


def _source(customer: Customer, kind: str) -> dict[str, Any]:
    created: dict[str, Any] = customer.gateway.post("/webhook-sources", {"name": kind, "type": kind})
    return created


def _post(system: System, source: dict[str, Any], body: str) -> dict[str, Any]:
    answer = system.http.post(f"/hooks/{source['token']}", content=body, headers={"Content-Type": "text/csv"})
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


def _unmatched(customer: Customer) -> int:
    """Rows that campaign-service took out of the webhooks and found no mail for."""
    rows = customer.gateway.get(f"/api/v2/stats/{customer.tenant}/events")["not_applied"]
    return sum(row["count"] for row in rows)


def test_accepted_webhooks_survive_the_death_of_the_gateway(system: System, customer: Customer) -> None:
    source = _source(customer, "powermta")
    accepted = [_post(system, source, UNKNOWN_MAIL.format(day=day))["event_id"] for day in range(1, 9)]
    system.kill("webhook-gateway")
    system.wait_ready("webhook-gateway")
    assert system.wait(lambda: _unmatched(customer), lambda rows: rows >= 8, "the rows") == 8
    listed = customer.gateway.pages("/webhook-events", source=source["id"])
    assert {event["id"] for event in listed} == set(accepted)


def test_replayed_webhook_is_delivered_again_and_changes_nothing_twice(
    system: System, customer: Customer
) -> None:
    source = _source(customer, "powermta")
    event_id = _post(system, source, UNKNOWN_MAIL.format(day=1))["event_id"]
    system.wait(lambda: _unmatched(customer), lambda rows: rows == 1, "the row")
    replayed = customer.gateway.post(f"/webhook-events/{event_id}/replay")
    assert replayed["replay_of"] == event_id
    # A later webhook shows that the replay, which was published before it, has been taken in.
    _post(system, source, UNKNOWN_MAIL.format(day=2))
    assert system.wait(lambda: _unmatched(customer), lambda rows: rows >= 2, "the second row") == 2
    assert customer.gateway.get(f"/webhook-events/{event_id}")["replays"] == 1


def test_same_body_again_is_recognised(system: System, customer: Customer) -> None:
    source = _source(customer, "powermta")
    first = _post(system, source, UNKNOWN_MAIL.format(day=1))
    again = _post(system, source, UNKNOWN_MAIL.format(day=1))
    assert (first["duplicate"], again["duplicate"]) == (False, True)
    assert again["event_id"] == first["event_id"]


def test_token_of_one_tenant_never_speaks_for_another(system: System, customer: Customer) -> None:
    other = system.sign_up()
    _post(system, _source(customer, "powermta"), UNKNOWN_MAIL.format(day=1))
    system.wait(lambda: _unmatched(customer), lambda rows: rows == 1, "the row")
    assert _unmatched(other) == 0
    assert other.gateway.get("/webhook-events") == []
