"""An estate agency on two real years of sales: clients, three simulated months, what everybody got."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from demo.account import new_tenant
from demo.client import Gateway, MailCatcher, wait_for
from demo.property_mails import check_mails
from demo.report import Report
from demo.story import Story

DATA = Path(__file__).resolve().parents[1] / "services" / "property-service" / "tests" / "data"
FILES = ("dvf_ain_2018.txt.gz", "dvf_ain_2020.txt.gz")
#: Of both files: lines, mutations, sold units, dwellings; euro cents with each price once, and once a line.
ROWS, MUTATIONS, UNITS, DWELLINGS = 20_000, 7_723, 8_801, 5_384
TOTAL_CENTS, NAIVE_CENTS = 1_018_780_053_89, 3_634_128_385_07
#: From the eve of the first month's end to the end of the third.
DAYS = tuple(
    date(2026, month, day)
    for month, days in ((1, (29, 30, 31)), (2, (27, 28)), (3, (29, 30, 31)))
    for day in days
)
TWICE = date(2026, 2, 28)
OLDEST, NEWEST = timedelta(days=8 * 365), timedelta(days=6 * 365)


@dataclass
class Client:
    """A client of the agency, and what the demo expects for them. `places` are INSEE codes."""

    first_name: str
    last_name: str
    language: str
    places: tuple[str, ...]
    kind: str
    per_report: int
    send_day: int
    months: tuple[int, ...] = (1, 2, 3)
    id: str = ""
    email: str = ""
    given: list[dict[str, Any]] = field(default_factory=list)
    by_report: list[int] = field(default_factory=list)

    def reports(self) -> list[date]:
        """The days of all reports."""
        return [self.due_on(month) for month in self.months]

    def due_on(self, month: int) -> date:
        """The day of a month's report: of a shorter month its last day."""
        last = (date(2026, month + 1, 1) - timedelta(days=1)).day
        return date(2026, month, min(self.send_day, last))


def make_clients() -> list[Client]:
    """One with more than enough to choose from, one with enough, one whose village is too small, and one who
    takes so much at once that the weights show.
    """
    return [
        Client("Agathe", "Perrin", "fr", ("01053",), "apartment", 10, 31),
        Client("Basil", "Wood", "en", ("01053", "01451", "01289"), "house", 20, 30),
        Client("Chloé", "Morel", "fr", ("01128",), "house", 10, 31),
        Client("Diane", "Faure", "fr", ("01053",), "apartment", 150, 31, months=(1,)),
    ]


@dataclass
class Agency:
    """The agency's own account, called with an admin's API key."""

    gateway: Gateway
    mails: MailCatcher
    report: Report
    run: str
    clients: list[Client] = field(default_factory=make_clients)
    first_mail: int = 0

    @property
    def alerts_to(self) -> str:
        return f"watch-{self.run}@example.com"


def property_sales(story: Story) -> None:
    """The whole part of the demo: a tenant of its own, so that its clients get no other mail."""
    story.report.step("An estate agency signs up")
    with new_tenant(story, "Agence Vallon", "agency", language="fr", time_zone="Europe/Paris") as gateway:
        agency = Agency(gateway, story.mails, story.report, story.run)
        agency.first_mail = story.mails.newest_id()
        _import(agency)
        _make_clients(agency)
        _run_months(agency)
        _check_assignments(agency)
        check_mails(agency)
        _show_weights(agency)


def _import(agency: Agency) -> None:
    """Both years in one upload; each price counts once, however many lines repeat it."""
    agency.report.step("Importing two years of real sales (DVF, department Ain)")
    files = [("file", (name, (DATA / name).read_bytes(), "application/gzip")) for name in FILES]
    began = time.monotonic()
    accepted = agency.gateway.send("POST", "/api/properties/import", files=files).json()["data"]
    path = f"/api/properties/imports/{accepted['import_id']}"

    def look() -> dict[str, Any]:
        state: dict[str, Any] = agency.gateway.get(path)
        agency.report.progress("import", int(state["progress"].get("done") or 0), ROWS, "lines")
        return state

    done = wait_for(look, lambda s: s["status"] not in ("pending", "running"), what="the import", seconds=60)
    seconds = time.monotonic() - began
    agency.report.say(f"{ROWS:,} lines in {seconds:.1f} s, the upload and the job's start included")
    found = done["report"]
    agency.report.check("import is complete", "completed", done["status"])
    agency.report.table(
        "Sales",
        [
            ("lines", ROWS, found["rows"]),
            ("lines rejected", 0, found["rejected"]),
            ("mutations", MUTATIONS, found["mutations"]),
            ("units sold", UNITS, found["units"]),
            ("dwellings", DWELLINGS, found["dwellings"]),
            # A second demo on the same installation finds them all there.
            ("units in the register", UNITS, found["new"] + found["changed"] + found["unchanged"]),
            ("sum of prices, euros", TOTAL_CENTS // 100, found["total_cents"] // 100),
            ("the same, price by line", NAIVE_CENTS // 100, found["naive_cents"] // 100),
        ],
    )


def _make_clients(agency: Agency) -> None:
    agency.report.step("Clients of the agency")
    agency.gateway.send(
        "PUT",
        "/admin/settings",
        json={"brand_name": "Agence Vallon", "alert_email": agency.alerts_to, "language": "en"},
    )
    for client in agency.clients:
        client.email = f"{client.first_name.lower().replace('é', 'e')}-{agency.run}@example.com"
        made = agency.gateway.post("/admin/clients", _wanted(agency, client))
        client.id = made["client_id"]
        agency.report.say(
            f"{client.first_name} {client.last_name}: {client.per_report} {client.kind}s a month on day "
            f"{client.send_day}, in {', '.join(_names(agency, client))}"
        )


def _wanted(agency: Agency, client: Client) -> dict[str, Any]:
    return {
        "first_name": client.first_name,
        "last_name": client.last_name,
        "email": client.email,
        "language": client.language,
        "send_day": client.send_day,
        "addresses_per_report": client.per_report,
        "chosen_cities": [city["city_id"] for city in _cities(agency, client)],
        "property_type_preferences": [client.kind],
        # The real clock leaves them alone: for it, their subscription is over.
        "subscription_end_date": client.due_on(client.months[-1]).isoformat(),
    }


def _cities(agency: Agency, client: Client) -> list[dict[str, Any]]:
    return [agency.gateway.get("/api/cities", q=code, limit=1)[0] for code in client.places]


def _names(agency: Agency, client: Client) -> list[str]:
    return [city["name"].title() for city in _cities(agency, client)]


def _run_months(agency: Agency) -> None:
    """What cron does at nine each day, for the days on which something is due."""
    agency.report.step(f"Three months, {DAYS[0]} to {DAYS[-1]}, simulated")
    for day in DAYS:
        _check_day(agency, day, _due(agency.clients, day))
    agency.report.say("The last of February once more:")
    _check_day(agency, TWICE, (0, 0))


def _check_day(agency: Agency, day: date, expected: tuple[int, int]) -> None:
    measured = _run_day(agency, day)
    agency.report.say(f"{day}: {measured[0]} announced for tomorrow, {measured[1]} served")
    agency.report.check(f"{day}: announced and served", expected, measured)


def _due(clients: list[Client], day: date) -> tuple[int, int]:
    """How many are to be announced and served on a day."""
    due = Counter(client.due_on(month) for client in clients for month in client.months)
    return due[day + timedelta(days=1)], due[day]


def _run_day(agency: Agency, day: date) -> tuple[int, int]:
    """Run the day and wait for the reports it started."""
    job = agency.gateway.post(f"/api/run-daily?date={day}")["job_id"]
    done = wait_for(
        lambda: agency.gateway.get(f"/api/job-status/{job}"),
        lambda seen: seen["status"] not in ("pending", "processing"),
        what=f"the day {day}",
        seconds=30,
        every=0.1,
    )
    started = int(done["result"]["started"])
    if started:
        wait_for(
            lambda: [one["status"] for one in agency.gateway.get("/admin/jobs", limit=started)],
            lambda states: set(states) == {"completed"},
            what="the reports",
            seconds=30,
            every=0.1,
        )
    return int(done["result"]["noticed"]), started


def _check_assignments(agency: Agency) -> None:
    """Everybody got what they chose, of the right age, nothing twice, and as much as there is."""
    agency.report.step("What the clients were given")
    rows: list[tuple[str, object, object]] = []
    for client in agency.clients:
        answer = agency.gateway.get(f"/api/get-client-properties/{client.id}", limit=1000)
        client.given = answer["properties"]
        held = {one["address_id"]: one for one in _held(agency, client, *client.reports())}
        client.by_report = list(_expected(client, held))
        own = {one["address_id"] for one in client.given}
        rows += [
            (f"{client.first_name}: addresses", sum(client.by_report), answer["total_count"]),
            (f"{client.first_name}: different ones", len(client.given), len(own)),
            (f"{client.first_name}: among what they chose", len(own), len(own & held.keys())),
        ]
        agency.report.say(f"{client.first_name}: {' + '.join(map(str, client.by_report))} addresses, such as")
        for one in client.given[:2]:
            agency.report.say(f"    {one['address_raw']}, {one['city_name'].title()}, {one['sale_date']}")
    agency.report.table("Assignments", rows)


def _held(agency: Agency, client: Client, *days: date) -> list[dict[str, Any]]:
    """Every sale that was of the right age, place and kind on one of the days."""
    return agency.gateway.pages(
        "/api/properties",
        city=list(client.places),
        type=client.kind,
        **{"from": min(days) - OLDEST, "to": max(days) - NEWEST},
    )


def _expected(client: Client, held: dict[str, dict[str, Any]]) -> Iterator[int]:
    """How many addresses each report has: as many as wanted, or all that are left."""
    given: set[str] = set()
    for on in client.reports():
        fitting = {
            key
            for key, one in held.items()
            if one["is_latest"] and on - OLDEST <= date.fromisoformat(one["sale_date"]) <= on - NEWEST
        }
        number = min(client.per_report, len(fitting - given))
        # Which of many were drawn is chance; of few, all were.
        given |= fitting if number < client.per_report else set()
        yield number


def _show_weights(agency: Agency) -> None:
    """The older a sale, the better its chance: what the client with many addresses got."""
    client = agency.clients[-1]
    agency.report.step(f"{client.per_report} addresses at once: the older the sale, the likelier")
    on = client.due_on(1)
    drawn = {one["address_id"] for one in client.given}
    eligible = sorted(
        (one for one in _held(agency, client, on) if one["is_latest"]), key=lambda one: one["sale_date"]
    )
    third = len(eligible) // 3
    shares = [
        sum(one["address_id"] in drawn for one in eligible[start : start + third])
        for start in (0, third, 2 * third)
    ]
    for name, share in zip(("oldest", "middle", "newest"), shares, strict=True):
        agency.report.say(f"of the {third} {name} sales {share:3} were drawn {'#' * (share // 2)}")
    # By chance this is wrong less than once in a million demos.
    agency.report.check("more of the oldest third than of the newest", True, shares[0] > shares[2])
