"""A new sending domain: so many mails on its day, the rest on the next ones."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from demo.client import wait_for
from demo.story import Story, WarmDay

_TAGS = ({"newsletter"}, {"london"}, {"competitor", "do-not-mail"})
_DOMAIN = "new-garden.example"
_DAY = 20
_DAYS, _FIRST, _LAST = 70, 5, 20_000


def warm_up(story: Story) -> None:
    """A day of the plan: as many mails as it allows, and all others wait."""
    story.report.step(f"Warming up {_DOMAIN}: day {_DAY} of {_DAYS}")
    audience = {person.email for person in story.file.audience(*_TAGS)}
    cap = round(_FIRST * (_LAST / _FIRST) ** ((_DAY - 1) / (_DAYS - 1)))
    plans = [
        {
            "domain": _DOMAIN,
            "preset": "70-days",
            "day_number": _DAY,
            "time_zone": zone_at_noon(datetime.now(UTC)),
        }
    ]
    story.office.send("PUT", f"/api/v2/sending/{story.tenant}/warmup", json={"plans": plans})
    campaign_id = _create(story)
    path = f"/api/v2/campaigns/{story.tenant}/{campaign_id}"
    first_mail = story.mails.newest_id()
    story.office.post(f"{path}/send")
    campaign = wait_for(
        lambda: story.office.get(path),
        lambda seen: (seen["status_reason"] or "").startswith("warm-up"),
        what="the end of the day's mails",
        seconds=60,
    )
    story.report.say(campaign["status_reason"])
    mails = wait_for(
        lambda: story.mails_of(campaign_id, first_mail),
        lambda mails: len(mails) >= cap,
        what="the last of the day's mails",
        seconds=30,
    )
    story.warm_day = WarmDay(path, mails)
    progress = wait_for(
        lambda: story.office.get(f"{path}/progress"),
        lambda seen: seen["states"].get("accepted") == cap,
        what="the record of the day's mails",
        seconds=30,
    )
    plan = plan_of(story)
    story.report.table(
        "Today",
        [
            ("mails that day 20 allows", cap, plan["cap"]),
            ("mails that went", cap, plan["used"]),
            ("mails in mailboxes", cap, len(mails)),
            ("mails that may still go", 0, plan["left"]),
            ("people who wait for tomorrow", len(audience) - cap, progress["states"].get("queued", 0)),
            ("status of the campaign", "sending", campaign["status"]),
        ],
    )
    story.office.post(f"{path}/cancel")
    story.report.say("Left alone it would go on tomorrow; here it is cancelled.")


def zone_at_noon(moment: datetime) -> str:
    """Where it is about noon then, so that the plan's day does not end while the demo looks at it."""
    hours = 12 - moment.astimezone(UTC).hour
    # These names count to the west.
    return f"Etc/GMT{-hours:+d}" if hours else "Etc/GMT"


def _create(story: Story) -> str:
    made = story.office.post(
        "/api/v2/campaigns",
        {
            "name": "From our new domain",
            "template_id": story.template_id,
            "tags_all": ["newsletter", "london"],
            "exclude_tags": sorted(_TAGS[2]),
            "from_email": f"hello@{_DOMAIN}",
        },
    )
    return str(made["id"])


def plan_of(story: Story) -> dict[str, Any]:
    """How the plan stands."""
    plan: dict[str, Any] = story.office.get(f"/api/v2/sending/{story.tenant}/warmup")["plans"][0]
    return plan
