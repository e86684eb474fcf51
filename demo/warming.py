"""A new sending domain: so many mails on its day, the rest on the next ones."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from demo.client import wait_for
from demo.mail import Envelope
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
    path = _create(story)
    first_mail = story.mails.newest_id()
    story.office.post(f"{path}/send")
    campaign = wait_for(
        lambda: story.office.get(path),
        lambda seen: (seen["status_reason"] or "").startswith("warm-up"),
        what="the end of the day's mails",
        seconds=60,
    )
    story.report.say(campaign["status_reason"])
    mails = _received(story, first_mail, audience, cap)
    story.warm_day = WarmDay(path, mails)
    plan, progress = plan_of(story), story.office.get(f"{path}/progress")
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
    return f"/api/v2/campaigns/{story.tenant}/{made['id']}"


def _received(story: Story, after: int, audience: set[str], cap: int) -> list[Envelope]:
    """The day's mails; the last of them may still be on their way."""

    def look() -> list[Envelope]:
        mails = (Envelope.of(summary) for summary in story.mails.after(after))
        return [mail for mail in mails if mail.recipient in audience]

    return wait_for(look, lambda mails: len(mails) >= cap, what="the day's mails", seconds=30)


def plan_of(story: Story) -> dict[str, Any]:
    """How the plan stands."""
    plan: dict[str, Any] = story.office.get(f"/api/v2/sending/{story.tenant}/warmup")["plans"][0]
    return plan
