"""A photo portal's people become contacts: parents, with the pictures of their children."""

from __future__ import annotations

import csv
import io
from collections import Counter
from typing import Any

from demo.client import Gateway, wait_for
from demo.report import Report
from deploy.local.outside import PORTAL
from tests.simulators.netlife import (
    Faults,
    Portal,
    Simulator,
    expected_rows,
    expected_statistics,
    make_portal,
)

TAG = "portraits"
_FIGURES = (
    ("jobs_processed", "jobs of the portal"),
    ("subjects_total", "children"),
    ("subjects_buyers", "children whose pictures were bought"),
    ("registered_users_found", "registered parents"),
    ("access_keys_existing", "access keys"),
)


def make_simulator(seed: int = 3) -> Simulator:
    """Six schools. Two of a hundred requests fail at first, each in one of four ways."""
    portal = make_portal(seed, name=PORTAL, jobs=6, subjects=300)
    return Simulator(portal, faults=Faults(0.02, seed, kinds=("500", "truncated", "drop", "page")))


def collect(studio: Gateway, report: Report, portal: Simulator) -> None:
    """Collect everything as a job that makes contacts, and compare it with what the portal was made of."""
    base = f"/api/v2/portals/{studio.tenant_id}/netlife"
    world = portal.portal
    access = {"portal": PORTAL, "username": world.username, "password": world.password}
    studio.send("PUT", f"{base}/settings", json=access)
    report.check(
        "the portal takes the password", True, studio.post(f"{base}/settings/test", {"portal": PORTAL})["ok"]
    )
    wish = {"portal": PORTAL, "import_contacts": {"tags": [TAG]}}
    job = studio.post(f"{base}/collect", wish)["job_id"]
    done = wait_for(
        lambda: studio.get(f"{base}/collect/{job}"),
        lambda seen: seen["finished_at"],
        what="the collection",
        seconds=60,
    )
    imported = _imported(studio, done["import_id"])
    report.say(
        f"{len(portal.requests)} requests to {portal.base_url}, {portal.peak} at once at most; "
        f"{portal.served.total()} failed at first"
    )
    rows = expected_rows(world, portal.address)
    statistics, truth = done["statistics"], expected_statistics(world)
    report.table(
        "Collection",
        [(name, truth[key], statistics[key]) for key, name in _FIGURES]
        + [
            ("rows of the CSV that are right", len(rows), _right(studio, f"{base}/collect/{job}", rows)),
            ("contacts made", len(people(rows)), imported["created"]),
        ],
    )


def _imported(studio: Gateway, import_id: str) -> dict[str, Any]:
    done: dict[str, Any] = wait_for(
        lambda: studio.get(f"/api/v2/contacts/{studio.tenant_id}/imports/{import_id}"),
        lambda seen: seen["status"] not in ("pending", "running"),
        what="the import of the collection",
        seconds=60,
    )
    return done


def _right(studio: Gateway, path: str, rows: list[dict[str, str]]) -> int:
    text = studio.send("GET", f"{path}/contacts.csv").text
    found = Counter(tuple(row.items()) for row in csv.DictReader(io.StringIO(text, newline="")))
    return (found & Counter(tuple(row.items()) for row in rows)).total()


def people(rows: list[dict[str, str]]) -> dict[str, list[dict[str, str]]]:
    """The rows of each person, the best known first: children share their parents."""
    found: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        found.setdefault(row["email"] or number_of(row), []).append(row)
    return found


def number_of(row: dict[str, str]) -> str:
    """The number for texts: `+1 (201) 555-0123` is `+12015550123`; what the portal could not read is none."""
    for name in ("phone_number", "phone_number_2"):
        if row[name].startswith("+1 ("):
            return "+" + "".join(c for c in row[name] if c.isdigit())
    return ""


def numbers(world: Portal, origin: str) -> set[str]:
    """Whom a text can be sent to: each number once, however many people share it."""
    found = people(expected_rows(world, origin)).values()
    return {number for rows in found if (number := next(filter(None, map(number_of, rows)), ""))}
