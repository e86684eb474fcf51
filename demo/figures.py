"""The statistics against the deeds."""

from __future__ import annotations

import csv
import io
import time
from collections import Counter
from typing import Any

from demo.client import Gateway, TooLateError, wait_for
from demo.story import Story

NAMES = (
    ("sent", "mails sent"),
    ("delivered", "delivered"),
    ("deferred", "deferrals"),
    ("bounced_hard", "hard bounces"),
    ("bounced_soft", "soft bounces"),
    ("bounced_other", "refused for other reasons"),
    ("complained", "complaints"),
    ("unsubscribed", "unsubscribed"),
    ("opens_human", "opens by people"),
    ("opens_proxy", "opens by proxies"),
    ("opens_scanner", "opens by scanners"),
    ("opens_unknown", "opens by unknown programs"),
    ("unique_opens", "people who opened"),
    ("clicks_human", "clicks by people"),
    ("clicks_scanner", "clicks by scanners"),
    ("clicks_unknown", "clicks by unknown programs"),
    ("unique_clicks", "people who clicked"),
    ("failed", "failed"),
    ("ambiguous", "ambiguous"),
    ("skipped", "skipped"),
    ("repeats", "possible repeats"),
)
_SETTLE_SECONDS = 2.0


def check_figures(story: Story) -> None:
    """Wait until everything has come through, then until nothing moves any more, and compare."""
    story.report.step("Statistics")
    expected = {key: story.deeds.figures[key] for key, _ in NAMES}
    try:
        wait_for(
            lambda: _look(story, expected), lambda seen: seen == expected, what="the figures", seconds=60
        )
    except TooLateError:
        story.report.say("The figures did not come right within a minute; this is how they stand:")
    time.sleep(_SETTLE_SECONDS)
    counts = counts_of(story.gateway, story.campaign_id)
    story.report.table("Campaign", [(name, expected[key], counts[key]) for key, name in NAMES])
    _check_rates(story)
    _check_other_views(story, expected)
    _check_links(story)
    _check_consequences(story)


def counts_of(gateway: Gateway, campaign_id: str) -> dict[str, int]:
    """A started campaign's figures."""
    stats = gateway.get(f"/api/v2/stats/{gateway.tenant_id}/campaigns")
    [campaign] = [one for one in stats["campaigns"] if one["campaign_id"] == campaign_id]
    counts: dict[str, int] = campaign["counts"]
    return counts


def _look(story: Story, expected: dict[str, int]) -> dict[str, int]:
    counts = {
        key: number for key, number in counts_of(story.gateway, story.campaign_id).items() if key in expected
    }
    right = sum(counts[key] == number for key, number in expected.items())
    story.report.progress("figures that have come in", right, len(expected))
    return counts


def _check_rates(story: Story) -> None:
    figures = story.deeds.figures
    stats = story.gateway.get(f"/api/v2/stats/{story.tenant}/campaigns")["rates"]
    bounced = figures["bounced_hard"] + figures["bounced_soft"] + figures["bounced_other"]
    parts = {
        "delivery": (figures["delivered"], figures["sent"]),
        "open": (figures["unique_opens"], figures["delivered"]),
        "click": (figures["unique_clicks"], figures["delivered"]),
        "bounce": (bounced, figures["sent"]),
        "complaint": (figures["complained"], figures["delivered"]),
        "unsubscribe": (figures["unsubscribed"], figures["delivered"]),
    }
    story.report.table(
        "Rates, per cent",
        [(name, round(100 * part / whole, 2), stats[name]["rate"]) for name, (part, whole) in parts.items()],
    )


def _check_other_views(story: Story, expected: dict[str, int]) -> None:
    """The same figures out of the other four statistics, and out of the list of recipients."""
    path = f"/api/v2/stats/{story.tenant}"
    overview = story.gateway.get(f"{path}/overview")
    events = story.gateway.get(f"{path}/events")
    performance = story.gateway.get(f"{path}/performance", days=7)
    today = Counter[str]()
    for day in performance["per_day"]:
        today.update({key: day["counts"][key] for key in expected})
    progress = story.gateway.get(story.campaign_path("/progress"))
    export = story.gateway.send("GET", story.campaign_path("/recipients.csv")).text
    recipients = Counter(row["state"] for row in csv.DictReader(io.StringIO(export)))
    bounced = sum(expected[key] for key in ("bounced_hard", "bounced_soft", "bounced_other"))
    not_applied = Counter[tuple[str, str]]()
    for issue in events["not_applied"]:
        not_applied[issue["source"], issue["kind"]] += issue["count"]
    story.report.table(
        "Other views",
        [
            ("overview: contacts", len(story.file.people), overview["contacts"]["total"]),
            ("overview: mails sent", expected["sent"], overview["campaigns"]["counts"]["sent"]),
            ("overview: suppressed addresses", story.deeds.suppressed.total(), overview["suppressions"]),
            ("events: bounces", bounced, events["bounced"]),
            ("events: opens by people", expected["opens_human"], events["opens"]["human"]),
            ("performance: delivered", expected["delivered"], today["delivered"]),
            ("performance: clicks by people", expected["clicks_human"], today["clicks_human"]),
            ("progress: recipients", expected["sent"], progress["total"]),
            ("recipients.csv: rows", expected["sent"], recipients.total()),
            ("recipients.csv: hard bounces", expected["bounced_hard"], recipients["bounced_hard"]),
            ("recipients.csv: complaints", expected["complained"], recipients["complained"]),
        ]
        + [
            (f"events: {source} rows {kind}", number, not_applied[source, kind])
            for (source, kind), number in story.deeds.not_applied.items()
        ],
    )


def _check_links(story: Story) -> None:
    links: list[dict[str, Any]] = story.gateway.get(story.campaign_path("/links"))
    measured = {link["url"]: (link["clicks_human"], link["clicks_scanner"]) for link in links}
    rows: list[tuple[str, object, object]] = []
    for url, clicks in sorted(story.deeds.clicks_by_link.items()):
        human, scanner = measured.get(url, (0, 0))
        label = url.removeprefix("https://www.example.com")
        rows.append((f"{label}, people", clicks["human"], human))
        rows.append((f"{label}, scanners", clicks["scanner"], scanner))
    story.report.table("Clicks by link", rows)


def _check_consequences(story: Story) -> None:
    """Who bounced, complained or unsubscribed is not in the next audience."""
    suppressions = story.gateway.pages(f"/api/v2/suppressions/{story.tenant}")
    reasons = Counter(entry["reason"] for entry in suppressions)
    copy = story.gateway.post(story.campaign_path("/duplicate"))
    audience = story.gateway.get(f"/api/v2/campaigns/{story.tenant}/{copy['id']}/audience")
    suppressed = story.deeds.suppressed
    story.report.table(
        "Consequences",
        [(f"suppressed: {reason}", number, reasons[reason]) for reason, number in suppressed.items()]
        + [("the next audience", len(story.audience) - suppressed.total(), audience["count"])],
    )
