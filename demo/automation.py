"""Codes renamed at the ticket shop: rehearsed first, then for real, by a browser on a simulated Fienta."""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Iterator
from typing import Any

from demo.client import wait_for
from demo.story import Story
from tests.simulators.fienta.server import running
from tests.simulators.fienta.state import Site

_CODES = tuple(f"GUEST-{number:02}" for number in range(1, 7))
_RENAMED = tuple(f"MOB-{number:03}" for number in range(1, 7))
_PREFIXED = "MOB-777"
_FILE = "\r\n".join(("code;created", *(f"{code};12.09.2026 10:45" for code in (*_CODES, _PREFIXED)))) + "\r\n"
_OPTIONS = {"rename_prefix": "MOB-", "rename_pad_length": "3", "rename_start": "1"}
_PATIENCE = 120.0


def rename_codes(story: Story) -> None:
    """A dry run changes nothing and says what it would do; the real run does that and no more."""
    story.report.step("Codes are renamed at the ticket shop")
    ours = story.shop.post("/codes", {"code": _CODES[0], "pool": "guests"})
    missing = what_is_missing(story.outside.fienta)
    with _simulated_shop(story) as site:
        _rehearse(story, site)
        if missing:
            story.report.say(f"{missing}: only the dry run is played.")
        else:
            _rename(story, site, ours["id"])


def what_is_missing(port: int) -> str:
    """Why a browser cannot work on the simulated shop; empty when it can."""
    if not port:
        return "This installation is not joined to the simulated Fienta"
    browser = os.environ.get("FIENTA_CHROMIUM", "/usr/bin/chromium")
    if not os.access(browser, os.X_OK):
        return f"There is no Chromium at {browser}"
    if importlib.util.find_spec("playwright") is None:
        return "Playwright is not installed"
    return ""


@contextlib.contextmanager
def _simulated_shop(story: Story) -> Iterator[Site]:
    """The shop with its codes and, where the installation is joined to it, our account there."""
    site = Site()
    for code in (*_CODES, _PREFIXED):
        site.add(code)
    if not story.outside.fienta:
        yield site
        return
    with running(site, story.outside.fienta) as address:
        story.report.say(f"Simulated Fienta at {address}")
        account = {"email": site.email, "password": site.password, "event_id": site.event}
        story.gateway.send("PUT", "/automation/fienta/credentials", json=account)
        yield site


def _rehearse(story: Story, site: Site) -> None:
    done = _run(story)
    result = done["result"]
    story.report.table(
        "Dry run",
        [
            ("rows", len(_CODES) + 1, result["rows"]),
            ("would be renamed", len(_CODES), result["to_do"]),
            ("already have the prefix", 1, result["skipped"]),
            ("renamed", 0, result["done"]),
            ("codes of the shop that changed", 0, len(_names(site) ^ {*_CODES, _PREFIXED})),
        ],
    )
    plan = [(row["code"], row["new_code"]) for row in result["changes"]]
    for old, new in plan[:3]:
        story.report.say(f"would rename {old} to {new}")
    story.report.check("the plan", list(zip(_CODES, _RENAMED, strict=True)), plan)


def _rename(story: Story, site: Site, our_id: str) -> None:
    done = _run(story, dry_run="false")
    result = done["result"]
    follower = story.shop.get(f"/codes/{_RENAMED[0]}")
    story.report.table(
        "Real run",
        [
            ("renamed", len(_CODES), result["done"]),
            ("failed", 0, result["failed"]),
            ("new names at the shop", len(_CODES), len(_names(site) & set(_RENAMED))),
            ("old names at the shop", 0, len(_names(site) & set(_CODES))),
            ("our own codes that followed", 1, int(follower["id"] == our_id)),
        ],
    )
    table = story.shop.send("GET", f"/batch-jobs/{done['id']}/artifacts/results.csv").content
    lines = table.decode("utf-8-sig").splitlines()
    story.report.check("lines of results.csv", len(_CODES) + 2, len(lines))
    for line in lines[:3]:
        story.report.say(line)


def _run(story: Story, **options: str) -> dict[str, Any]:
    """The job of the file once it has ended; its log is printed."""
    accepted = story.shop.send(
        "POST",
        "/automation/fienta/rename-codes",
        files={"file": ("guests.csv", _FILE.encode(), "text/csv")},
        data={**_OPTIONS, **options},
    ).json()["data"]
    story.report.check(
        "it is a dry run unless told otherwise", options.get("dry_run") != "false", accepted["dry_run"]
    )
    path = f"/batch-jobs/{accepted['job_id']}"
    done: dict[str, Any] = wait_for(
        lambda: story.shop.get(path),
        lambda job: job["status"] not in ("pending", "running"),
        what="the job at the ticket shop",
        seconds=_PATIENCE,
        every=0.3,
    )
    story.report.check("the job's status", "completed", done["status"])
    log = story.shop.get(f"{path}/logs")
    kind = "dry run" if accepted["dry_run"] else "for real"
    story.report.say(f"{accepted['type']}, {kind}; lines in its log: {len(log)}")
    for line in log:
        story.report.say(f"  {line['level']:7} {line['line']}")
    return done


def _names(site: Site) -> set[str]:
    return {discount.code for discount in site.discounts.values()}
