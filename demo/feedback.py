"""What PowerMTA reports about the mails: every record type, some rows twice, some that fit nothing."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from demo import powermta
from demo.mail import Envelope
from demo.powermta import DELIVERY_COLUMNS, FEEDBACK_COLUMNS, REMOTE_COLUMNS, Row
from demo.story import Story

_CSV_BATCH = 2000
_JSON_BATCH = 500
_CSV, _JSON = "text/csv", "application/json"


@dataclass
class Fates:
    """What became of each mail; `late` and `complained` were delivered first."""

    delivered: list[Envelope] = field(default_factory=list)
    deferred: list[Envelope] = field(default_factory=list)
    hard: list[Envelope] = field(default_factory=list)
    soft: list[Envelope] = field(default_factory=list)
    other: list[Envelope] = field(default_factory=list)
    late: list[Envelope] = field(default_factory=list)
    complained: list[Envelope] = field(default_factory=list)

    @property
    def reached(self) -> list[Envelope]:
        """Everybody with a delivery row."""
        return [*self.delivered, *self.deferred, *self.late, *self.complained]


def draw_fates(mails: list[Envelope], seed: int = 7) -> Fates:
    """Fates in realistic shares; of about one mail in a hundred nothing is ever heard."""
    drawn = sorted(mails, key=lambda mail: mail.recipient)
    random.Random(seed).shuffle(drawn)
    total = len(drawn)
    rest = iter(drawn)

    def take(per_thousand: int) -> list[Envelope]:
        return [next(rest) for _ in range(max(1, total * per_thousand // 1000))]

    fates = Fates(
        hard=take(20), soft=take(15), other=take(5), deferred=take(20), late=take(4), complained=take(2)
    )
    take(10)
    fates.delivered = list(rest)
    return fates


def report_deliveries(story: Story) -> None:
    """Post accounting rows for all mails and count what they must change."""
    story.report.step("PowerMTA reports deliveries, deferrals, bounces and complaints")
    fates = draw_fates(story.received)
    _post_deliveries(story, fates)
    _post_troubles(story, fates)
    _post_late_news(story, fates)
    _post_repeats(story, fates)
    _post_strays(story, fates)
    _count(story, fates)
    story.delivered = fates.delivered


def _batches(rows: list[Row], size: int) -> Iterator[list[Row]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _post(story: Story, body: str, content_type: str, *, is_repeat: bool = False) -> None:
    answer = story.post_webhook("powermta", body, content_type)
    what = "repeated batch is recognised" if is_repeat else "batch is new"
    story.report.check(f"PowerMTA {what}", is_repeat, answer["duplicate"])


def _delivery_rows(story: Story, fates: Fates) -> list[Row]:
    """Delivery rows, with some reception rows between them that say nothing new."""
    job = story.campaign_id
    rows = [powermta.delivered(mail, job) for mail in fates.reached]
    return rows + [powermta.received(mail, job) for mail in fates.delivered[:40]]


def _post_deliveries(story: Story, fates: Fates) -> None:
    rows = _delivery_rows(story, fates)
    done = 0
    for batch in _batches(rows, _CSV_BATCH):
        _post(story, powermta.as_csv(batch, DELIVERY_COLUMNS), _CSV)
        done += len(batch)
        story.report.progress("CSV rows", done, len(rows))
    story.report.say(f"{len(rows):,} d and r rows as CSV batches of {_CSV_BATCH:,}")


def _trouble_rows(story: Story, fates: Fates) -> list[Row]:
    job = story.campaign_id
    kinds = (
        (fates.hard, "bad-mailbox", "5.1.1 (bad destination mailbox address)", "550 5.1.1 User unknown"),
        (fates.soft, "quota-issues", "4.2.2 (mailbox full)", "452 4.2.2 Mailbox full"),
        (fates.other, "spam-related", "5.7.1 (delivery not authorized)", "554 5.7.1 Denied, spam suspected"),
    )
    rows = [
        powermta.bounced(mail, job, category, status, diagnostic)
        for mails, category, status, diagnostic in kinds
        for mail in mails
    ]
    return rows + [powermta.deferred(mail, job) for mail in fates.deferred]


def _post_troubles(story: Story, fates: Fates) -> None:
    rows = _trouble_rows(story, fates)
    for batch in _batches(rows, _JSON_BATCH):
        _post(story, powermta.as_json(batch), _JSON)
    story.report.say(f"{len(rows):,} b and t rows as JSON arrays")


def _post_late_news(story: Story, fates: Fates) -> None:
    """Bounces and complaints that came in after the delivery."""
    bounces = [powermta.remote_bounce(mail) for mail in fates.late]
    complaints = [powermta.complaint(mail) for mail in fates.complained]
    _post(story, powermta.as_csv(bounces, REMOTE_COLUMNS), _CSV)
    _post(story, powermta.as_csv(complaints, FEEDBACK_COLUMNS), _CSV)
    story.report.say(f"{len(bounces)} rb rows and {len(complaints)} f rows")


def _post_repeats(story: Story, fates: Fates) -> None:
    """The same again: a whole batch, and rows in other company, in another order and another format."""
    rows = _delivery_rows(story, fates)
    first_batch = next(_batches(rows, _CSV_BATCH))
    _post(story, powermta.as_csv(first_batch, DELIVERY_COLUMNS), _CSV, is_repeat=True)
    _post(story, powermta.as_json(rows[100:500]), _JSON)
    troubles = _trouble_rows(story, fates)
    _post(story, powermta.as_csv(reversed(troubles), DELIVERY_COLUMNS), _CSV)
    complaints = [powermta.complaint(mail) for mail in fates.complained]
    _post(story, powermta.as_json(complaints), _JSON)
    again = len(first_batch) + 400 + len(troubles) + len(complaints)
    story.report.say(f"{again:,} of these rows a second time")


def _post_strays(story: Story, fates: Fates) -> None:
    """Rows of mails that are not ours, and rows that cannot be read."""
    foreign = [
        powermta.delivered(
            replace(mail, sender=f"x{n}@elsewhere.example", recipient=f"x{n}@elsewhere.test", reference=""),
            "",
        )
        for n, mail in enumerate(fates.delivered[:5])
    ]
    unreadable = [
        powermta.delivered(fates.delivered[0], story.campaign_id) | {"timeLogged": "yesterday"},
        powermta.delivered(fates.delivered[1], story.campaign_id) | {"type": "zz"},
    ]
    _post(story, powermta.as_csv([*foreign, *unreadable], DELIVERY_COLUMNS), _CSV)
    story.deeds.not_applied["powermta", "unmatched"] += len(foreign)
    story.deeds.not_applied["powermta", "rejected"] += len(unreadable)
    story.report.say(f"{len(foreign)} rows of other senders' mails, {len(unreadable)} unreadable rows")


def _count(story: Story, fates: Fates) -> None:
    figures = story.deeds.figures
    figures["delivered"] = len(fates.delivered) + len(fates.deferred) + len(fates.complained)
    figures["deferred"] = len(fates.deferred)
    figures["bounced_hard"] = len(fates.hard) + len(fates.late)
    figures["bounced_soft"] = len(fates.soft)
    figures["bounced_other"] = len(fates.other)
    figures["complained"] = len(fates.complained)
    story.deeds.suppressed["hard_bounce"] = figures["bounced_hard"]
    story.deeds.suppressed["complaint"] = figures["complained"]
