"""A campaign whose sender is killed reaches everybody all the same."""

from __future__ import annotations

import signal
from collections import Counter
from typing import Any

from demo.client import wait_for
from demo.mail import Envelope
from tests.e2e.system import SEND_CONNECTIONS, SEND_WINDOW, Customer, System

PEOPLE = 4000
#: Mails that may be without a record when the process dies: a window on the wire, and one being written down.
IN_FLIGHT = 2 * SEND_CONNECTIONS * SEND_WINDOW


def _campaign(system: System, customer: Customer) -> str:
    """Path of a campaign to `PEOPLE` people."""
    system.prove(customer)
    rows = "".join(f"reader{n}@example.com,Reader {n}\n" for n in range(PEOPLE))
    done = system.import_contacts(customer, f"email,first_name\n{rows}", tags="readers")
    assert done["created"] == PEOPLE
    html = '<p>Dear {{ first_name }}, <a href="https://www.example.com/">news</a> {{ unsubscribe_url }}</p>'
    contents = {"en": {"subject": "News for {{ first_name }}", "html": html}}
    template = customer.gateway.post(
        "/api/v2/templates", {"name": "News", "default_language": "en", "contents": contents}
    )
    body = {"name": "News", "template_id": template["id"], "tags_all": ["readers"]}
    campaign = customer.gateway.post("/api/v2/campaigns", body)
    return f"/api/v2/campaigns/{customer.tenant}/{campaign['id']}"


def _kill_sender_in_the_middle(system: System, mails_before: int) -> int:
    """Stop the mail server while mails arrive, kill the sender, let the mail server go on; mails so far."""
    wait_for(
        lambda: system.mails.count() - mails_before,
        lambda arrived: arrived >= 200,
        what="the first mails",
        seconds=30,
        every=0.01,
    )
    system.signal("mail-catcher", signal.SIGSTOP)
    system.kill("campaign-service")
    system.signal("mail-catcher", signal.SIGCONT)
    return system.mails.count() - mails_before


def test_killed_sender_loses_nobody_and_repeats_only_what_was_under_way(
    system: System, customer: Customer
) -> None:
    path = _campaign(system, customer)
    last_before, count_before = system.mails.newest_id(), system.mails.count()
    customer.gateway.post(f"{path}/send")
    arrived = _kill_sender_in_the_middle(system, count_before)
    assert arrived < PEOPLE
    system.wait_ready("campaign-service")
    seen: dict[str, Any] = system.wait(
        lambda: customer.gateway.get(f"{path}/progress"),
        lambda seen: seen["status"] == "sent",
        "the campaign",
    )
    assert seen["done"] == PEOPLE
    mails = [Envelope.of(summary) for summary in system.mails.after(last_before)]
    mails = [mail for mail in mails if mail.recipient.startswith("reader")]
    times = Counter(mail.recipient for mail in mails)
    assert len(times) == PEOPLE
    assert len(mails) - PEOPLE <= IN_FLIGHT
    assert len({mail.reference for mail in mails}) == PEOPLE
    _check_repeats_are_visible(customer, path, times)


def _check_repeats_are_visible(customer: Customer, path: str, times: Counter[str]) -> None:
    repeated = {address for address, number in times.items() if number > 1}
    recipients = customer.gateway.pages(f"{path}/recipients")
    marked = {one["email"] for one in recipients if one["possible_repeats"]}
    assert repeated <= marked
