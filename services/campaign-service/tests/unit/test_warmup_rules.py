"""Stop rules, mailbox providers and days of a warm-up."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from campaign_service.warmup.hosting.servers import provider_of
from campaign_service.warmup.plans import Heard, Plan, Rules, domain_of, judge, own_provider, preset_caps


@pytest.mark.parametrize(
    ("heard", "stops", "warns"),
    [
        (Heard(1000, 50, 0), False, False),
        (Heard(1000, 51, 0), True, False),
        (Heard(49, 49, 49), False, False),
        (Heard(10_000, 0, 9), False, False),
        (Heard(10_000, 0, 10), False, True),
        (Heard(10_000, 0, 29), False, True),
        (Heard(10_000, 0, 30), True, False),
        (Heard(0, 0, 0), False, False),
    ],
)
def test_bounces_stop_and_complaints_warn_first(heard: Heard, stops: bool, warns: bool) -> None:
    judged = judge(Rules(), heard)
    assert (judged.stop is not None, judged.warning is not None) == (stops, warns)


@pytest.mark.parametrize(
    ("email", "expected"),
    [
        ("ann@Gmail.com", "gmail"),
        ("ann@googlemail.com", "gmail"),
        ("ann@hotmail.fr", "outlook"),
        ("ann@aol.com", "yahoo"),
        ("ann@me.com", "apple"),
        ("ann@notgmail.com", None),
        ("ann@mail.gmail.com.example.com", None),
    ],
)
def test_mailbox_providers_are_known_by_their_own_domains(email: str, expected: str | None) -> None:
    assert own_provider(domain_of(email)) == expected


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        (("ASPMX.L.GOOGLE.COM.", "alt1.aspmx.l.google.com."), "gmail"),
        (("example-com.mail.protection.outlook.com.",), "outlook"),
        (("example-com.a1b2.mx.microsoft.",), "outlook"),
        (("mx-biz.mail.am0.yahoodns.net.",), "yahoo"),
        (("mx01.mail.icloud.com.",), "apple"),
        (("mx.notgoogle.com.",), "other"),
        (("filter.example.com.", "aspmx.l.google.com."), "other"),
        ((), "other"),
    ],
)
def test_hosted_mailboxes_are_known_by_the_preferred_mail_server(
    hosts: tuple[str, ...], expected: str
) -> None:
    assert provider_of(hosts) == expected


def test_the_preset_grows_by_at_most_a_third_a_day() -> None:
    caps = preset_caps()
    assert (len(caps), caps[0], caps[-1]) == (70, 5, 20_000)
    assert all(before <= after <= before * 4 / 3 for before, after in itertools.pairwise(caps))


def _plan(**changed: object) -> Plan:
    row = {
        "id": uuid4(),
        "domain": "",
        "ip_pool": "",
        "mailbox_provider": "",
        "caps": [5, 10],
        "time_zone": "Europe/Paris",
        "rules": {},
        "status": "active",
        "status_reason": None,
        "warning": None,
        "day_number": 1,
        "today": None,
        "used": 0,
        "judged_since": None,
    }
    return Plan.from_row(row | changed)


def test_a_day_begins_at_midnight_of_the_plans_own_zone() -> None:
    plan = _plan()
    before_clocks_change = datetime(2026, 10, 24, 23, 30, tzinfo=UTC)
    assert plan.day_of(before_clocks_change).isoformat() == "2026-10-25"
    assert plan.next_day(before_clocks_change) == datetime(2026, 10, 25, 23, tzinfo=UTC)


def test_a_halted_plan_has_no_room_and_others_what_is_left() -> None:
    assert _plan(used=3).left == 2
    assert _plan(used=9).left == 0
    assert _plan(status="stopped").left == 0
    assert _plan(day_number=7).cap == 10


def test_a_plan_covers_what_its_fields_fit() -> None:
    assert _plan().covers("a.example.com", "")
    assert _plan(domain="a.example.com", ip_pool="p1").covers("a.example.com", "p1")
    assert not _plan(domain="a.example.com", ip_pool="p1").covers("a.example.com", "")
