"""Two subjects are tried on a part of the audience; the others get the one that more people followed."""

from __future__ import annotations

import math
import time
from collections import Counter
from datetime import datetime
from statistics import NormalDist
from typing import Any

from demo.client import wait_for
from demo.mail import Envelope
from demo.mailwizz import BROWSER
from demo.story import Story, Trial
from demo.visits import SECURITY_GATEWAY, Visitor

_TAGS = ({"newsletter"}, {"freiburg"}, {"competitor", "do-not-mail"})
_SUBJECTS = ("The nursery in spring, {{ first_name }}", "{{ first_name }}: 15 % off until Sunday")
_PERCENT = 50
#: Long enough for the readers below, and over before the demo is.
_WAIT_SECONDS = 20
#: Who follows a link within two seconds of the mail's acceptance counts as a machine.
_SETTLING_SECONDS = 2.5
Groups = tuple[list[Envelope], list[Envelope]]


def try_subjects(story: Story) -> None:
    """Send both to half of the audience, and let people and machines react. The winner is told later."""
    story.report.step("Two subjects are tried on half of an audience")
    audience = frozenset(person.email for person in story.file.audience(*_TAGS))
    campaign = _create(story)
    path = f"/api/v2/campaigns/{story.tenant}/{campaign}"
    first_mail = story.mails.newest_id()
    story.office.post(f"{path}/send")
    waiting = _wait_for_test(story, path)
    mails = story.mails_of(campaign, first_mail)
    one, two = ([mail for mail in mails if _number_of(mail) == number] for number in (1, 2))
    groups = (one, two)
    story.report.table(
        "Test",
        [
            *(
                (f"mails with subject {variant['number']}", len(group), variant["sent"])
                for variant, group in zip(waiting["variants"], groups, strict=True)
            ),
            ("people who wait for the winner", len(audience) - len(mails), waiting["held"]),
            ("people with two mails", 0, len(mails) - len({mail.recipient for mail in mails})),
        ],
    )
    span = datetime.fromisoformat(waiting["decide_at"]) - datetime.fromisoformat(waiting["tested_at"])
    story.report.check("seconds from test to decision", _WAIT_SECONDS, round(span.total_seconds()))
    trial = Trial(campaign, path, first_mail, audience, groups, _react(story, groups))
    if _are_counted(story, trial):
        story.trial = trial
    else:
        story.report.say(f"This machine needs longer than {_WAIT_SECONDS} s for that; the rest is left out.")


def _create(story: Story) -> str:
    made = story.office.post(
        "/api/v2/campaigns",
        {
            "name": "Which subject?",
            "template_id": story.template_id,
            "tags_all": ["newsletter", "freiburg"],
            "exclude_tags": sorted(_TAGS[2]),
        },
    )
    path = f"/api/v2/campaigns/{story.tenant}/{made['id']}"
    variants = [{"subject": subject} for subject in _SUBJECTS]
    rules = {"variants": variants, "test_percent": _PERCENT, "wait_seconds": _WAIT_SECONDS}
    story.office.post(f"{path}/variants", rules)
    for number, subject in enumerate(_SUBJECTS, start=1):
        story.report.say(f"{number}: {subject}")
    return str(made["id"])


def _wait_for_test(story: Story, path: str) -> dict[str, Any]:
    """The test once all its mails are sent."""
    waiting: dict[str, Any] = wait_for(
        lambda: story.office.get(f"{path}/variants"),
        lambda seen: seen["phase"] not in ("draft", "testing"),
        what="the mails of the test",
        seconds=60,
    )
    return waiting


def _number_of(mail: Envelope) -> int:
    """Which subject a mail has; 0 for another."""
    starts, ends = mail.subject.startswith("The nursery in spring, "), mail.subject.endswith(" until Sunday")
    return 1 if starts else 2 if ends else 0


def _react(story: Story, groups: Groups) -> tuple[int, int]:
    """More people follow the second subject. Machines prefer the first, which must count for nothing."""
    time.sleep(_SETTLING_SECONDS)
    clicks = (min(5, len(groups[0]) // 6), min(22, len(groups[1]) * 2 // 3))
    scanned = groups[0][-20:]
    scanner, reader = Visitor(story, SECURITY_GATEWAY), Visitor(story, BROWSER)
    for mail in scanned:
        scanner.follow(story.open_mail(mail).links[0])
    for group, number in zip(groups, clicks, strict=True):
        for mail in group[:number]:
            reader.follow(story.open_mail(mail).links[0])
    story.report.say(
        f"{clicks[0]} people clicked in the first, {clicks[1]} in the second; "
        f"machines in {len(scanned)} of the first"
    )
    return clicks


def _are_counted(story: Story, trial: Trial) -> bool:
    """Whether the clicks have come in before the decision, as on all but the slowest machines."""
    seen = wait_for(
        lambda: story.office.get(f"{trial.path}/variants"),
        lambda seen: seen["phase"] == "decided" or _clicks(seen) == trial.clicks,
        what="the clicks",
        seconds=60,
    )
    return bool(seen["phase"] == "waiting")


def _clicks(seen: dict[str, Any]) -> tuple[int, ...]:
    return tuple(variant["clicks"] for variant in seen["variants"])


def tell_winner(story: Story) -> None:
    """What was decided meanwhile, how sure that is, and what the others got."""
    trial = story.trial
    if trial is None:
        return
    story.report.step("The winning subject")
    decided = wait_for(
        lambda: story.office.get(f"{trial.path}/variants"),
        lambda seen: seen["phase"] == "decided",
        what="the decision",
        seconds=60,
    )
    mails = wait_for(
        lambda: story.mails_of(trial.campaign_id, trial.first_mail),
        lambda seen: len(seen) >= len(trial.audience),
        what="the mails of the others",
        seconds=60,
    )
    one, two = decided["variants"]
    others = Counter(_number_of(mail) for mail in mails)
    chance = chance_of(trial.clicks, [len(group) for group in trial.groups])
    story.report.check("it was not decided early", True, decided["decided_at"] >= decided["decide_at"])
    story.report.table(
        "Winner",
        [
            ("people who clicked in the first", trial.clicks[0], one["reactions"]),
            ("people who clicked in the second", trial.clicks[1], two["reactions"]),
            ("winner", 2, decided["winner"]),
            ("outcome", "significant", decided["outcome"]),
            ("p-value", f"{chance:.6f}", f"{decided['p_value']:.6f}"),
            ("mails with the winner's subject", len(trial.audience) - len(trial.groups[0]), others[2]),
            ("people with two mails", 0, len(mails) - len({mail.recipient for mail in mails})),
        ],
    )


def chance_of(clicks: tuple[int, int], sent: list[int]) -> float:
    """How likely such a difference is where there is none: two proportions, two-sided."""
    pooled = sum(clicks) / sum(sent)
    spread = math.sqrt(pooled * (1 - pooled) * sum(1 / number for number in sent))
    distance = abs(clicks[0] / sent[0] - clicks[1] / sent[1]) / spread
    return 2 * NormalDist().cdf(-distance)
