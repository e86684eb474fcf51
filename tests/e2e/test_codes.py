"""Codes, links and orders while their service dies and comes back."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from demo.client import ApiError
from demo.mailwizz import BROWSER
from tests.e2e.system import Customer, System

CALLERS, KEYS = 8, 120
SERVICE = "code-service"


def _pool(system: System, customer: Customer, count: int) -> None:
    """A pool `p` with so many codes."""
    accepted = customer.gateway.post("/codes/bulk", {"count": count, "pool": "p"})
    system.wait(
        lambda: customer.gateway.get(f"/codes/batches/{accepted['batch_id']}")["made"],
        lambda made: made == count,
        "the codes",
    )


def _allocate(customer: Customer, key: str) -> str | None:
    """The code for a key; None when no answer came."""
    try:
        headers = {"Idempotency-Key": key}
        code: str = customer.gateway.post("/codes/allocate?pool=p", headers=headers)["code"]
    except (ApiError, httpx.HTTPError):
        return None
    return code


def test_a_repeat_after_a_crash_gets_the_code_of_the_first_try(system: System, customer: Customer) -> None:
    _pool(system, customer, KEYS)
    keys = [f"guest-{number}" for number in range(KEYS)]
    with ThreadPoolExecutor(CALLERS) as callers:
        work = [callers.submit(_allocate, customer, key) for key in keys]
        work[KEYS // 4].result()
        system.kill(SERVICE)
    answered = {key: one.result() for key, one in zip(keys, work, strict=True)}
    assert None in answered.values()
    system.wait_ready(SERVICE)
    repeated = {key: _allocate(customer, key) for key in keys}
    assert len(set(repeated.values()) - {None}) == KEYS
    assert {key: code for key, code in answered.items() if code is not None}.items() <= repeated.items()
    assert customer.gateway.get("/codes", pool="p", status="available") == []


def test_clicks_before_a_clean_stop_are_counted(system: System, customer: Customer) -> None:
    link = customer.gateway.post("/links", {"url": "https://shop.example.com/"})
    for _ in range(40):
        answer = system.http.get(f"/l/{link['short_id']}", headers={"User-Agent": BROWSER})
        assert (answer.status_code, answer.headers["location"]) == (302, "https://shop.example.com/")
    system.signal(SERVICE, signal.SIGTERM)
    system.wait(lambda: system.stack.process(SERVICE).pid, lambda pid: pid is None, f"end of {SERVICE}")
    system.wait_ready(SERVICE)
    stats = customer.gateway.get(f"/links/{link['id']}/stats")
    assert (stats["clicks"], stats["scanner_clicks"]) == (40, 0)


def _order(number: int, kind: str) -> dict[str, Any]:
    order = {"id": f"o-{number}", "total": 10 + number, "currency": "EUR"}
    return {"event_id": f"o-{number}", "event_type": f"order.{kind}", "order": order}


def test_orders_that_come_while_their_service_is_dead_are_recorded_once(
    system: System, customer: Customer
) -> None:
    source = customer.gateway.post("/webhook-sources", {"name": "make", "type": "make"})
    headers = {"x-make-token": source["token"]}
    events = [_order(number, kind) for number in range(10) for kind in ("created", "completed")]
    system.kill(SERVICE)
    for event in [*reversed(events), *events]:
        answer = system.http.post("/integrations/make/webhook", json=event, headers=headers)
        assert answer.status_code == 200, answer.text
    system.wait_ready(SERVICE)
    orders = system.wait(
        lambda: customer.gateway.pages("/orders"),
        lambda seen: [order["status"] for order in seen] == ["completed"] * 10,
        "the orders",
    )
    totals = {order["external_id"]: order["total_minor"] for order in orders}
    assert totals == {f"o-{number}": 1000 + 100 * number for number in range(10)}
    assert len(customer.gateway.pages("/webhook-events", source=source["id"])) == len(events)
