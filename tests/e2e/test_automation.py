"""A job at the ticket shop, from the public door to a real browser on the simulated shop."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.system import Customer, System
from tests.simulators.fienta.server import running
from tests.simulators.fienta.state import Site

FILE = b"code;discount_percent;order_limit\r\nVIP-1;100;1\r\nVIP-2;0;2\r\nTAKEN;40;1\r\n"


def _run(system: System, customer: Customer, **options: str) -> dict[str, Any]:
    """A job that makes the file's codes, once it has ended."""
    files = {"file": ("codes.csv", FILE, "text/csv")}
    answer = customer.gateway.send("POST", "/automation/fienta/create-codes", files=files, data=options)
    job_id = answer.json()["data"]["job_id"]
    return system.wait(
        lambda: customer.gateway.get(f"/batch-jobs/{job_id}"),
        lambda job: job["status"] not in ("pending", "running"),
        "the job",
    )


@pytest.mark.chromium
def test_codes_are_made_at_the_shop_when_that_is_asked_for(system: System, customer: Customer) -> None:
    site = Site()
    site.add("TAKEN", "100")
    with running(site, system.outside.fienta):
        account = {"email": site.email, "password": site.password, "event_id": site.event}
        customer.gateway.send("PUT", "/automation/fienta/credentials", json=account)
        rehearsed = _run(system, customer)
        assert (rehearsed["status"], len(site.discounts)) == ("completed", 1)
        done = _run(system, customer, dry_run="false")
    assert done["status"] == "completed"
    assert (rehearsed["result"]["to_do"], done["result"]["done"]) == (2, 2)
    made = {one.code: (int(one.amount), one.usage_limit) for one in site.discounts.values()}
    assert made == {"TAKEN": (100, 1), "VIP-1": (100, 1), "VIP-2": (0, 2)}
    path = f"/batch-jobs/{done['id']}"
    log = customer.gateway.send("GET", f"{path}/logs").text
    rows = customer.gateway.send("GET", f"{path}/rows").text
    table = customer.gateway.send("GET", f"{path}/artifacts/results.csv").text
    for text in (log, rows, table):
        assert "VIP-2" in text
        assert site.password not in text
