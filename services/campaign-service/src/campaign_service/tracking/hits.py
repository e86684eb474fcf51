"""Opens and clicks of one person: judging them together, because a burst shows only beside its neighbours."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from campaign_service.tracking.verdict import BURST_WINDOW, Circumstances, HitKind, Verdict, is_burst, judge

Person = tuple[UUID, UUID, UUID]


@dataclass(frozen=True, slots=True)
class Hit:
    """One request for a pixel or a link. `visitor` stands for the IP address, unlinkable after its day.

    `source` is `web`, `mailwizz`, or `trap` for the link that no person sees.
    """

    tenant_id: UUID
    campaign_id: UUID
    contact_id: UUID
    kind: HitKind
    at: datetime
    link_index: int | None
    method: str
    user_agent: str
    visitor: str
    dedupe_key: bytes
    source: str = "web"

    @property
    def person(self) -> Person:
        """Tenant, campaign and contact: the key of a recipient."""
        return (self.tenant_id, self.campaign_id, self.contact_id)

    @property
    def is_request(self) -> bool:
        """Made to ourselves, so it comes once; what other systems report can come again."""
        return self.source in ("web", "trap")

    def with_link(self, urls: Sequence[str], url: str) -> Hit:
        """This hit as one on `url`, when it is a click and its mail has that link."""
        if self.kind != "click" or url not in urls:
            return self
        return replace(self, link_index=list(urls).index(url))


@dataclass(frozen=True, slots=True)
class Click:
    """A click on record. `was` is the verdict it had, when it has been judged anew."""

    link_index: int | None
    at: datetime
    method: str
    verdict: Verdict
    dedupe_key: bytes
    was: Verdict | None = None


@dataclass(slots=True)
class Judged:
    """Verdicts of a person's new hits, and earlier clicks that turn out to be part of a burst."""

    verdicts: list[tuple[Hit, Verdict]] = field(default_factory=list)
    rejudged: list[Click] = field(default_factory=list)


def judge_person(
    hits: Sequence[Hit],
    recorded: Sequence[Click],
    reached_at: datetime | None,
    link_count: int,
    crowded: Set[bytes] = frozenset(),
) -> Judged:
    """Judge the new hits of one person. `recorded` are their clicks on record around the times of the hits,
    `crowded` the keys of hits whose visitor came to many people's mails at once.

    The verdicts do not depend on the order in which hits come in.
    """
    fresh = {hit.dedupe_key: hit for hit in hits}
    clicks = [
        *recorded,
        *(Click(h.link_index, h.at, h.method, "unknown", h.dedupe_key) for h in hits if h.kind == "click"),
    ]
    burst, probed = _in_bursts(clicks, link_count), _probed(clicks)
    trapped = {hit.visitor for hit in hits if hit.source == "trap" and hit.visitor}
    verdicts = [
        (
            hit,
            judge(
                Circumstances(
                    kind=hit.kind,
                    method=hit.method,
                    user_agent=hit.user_agent,
                    at=hit.at,
                    reached_at=reached_at,
                    in_burst=key in burst,
                    was_probed=key in probed,
                    met_trap=hit.source == "trap" or hit.visitor in trapped,
                    in_crowd=key in crowded,
                )
            ),
        )
        for key, hit in fresh.items()
    ]
    rejudged = [
        replace(click, was=click.verdict, verdict="scanner")
        for click in recorded
        if click.verdict != "scanner" and click.dedupe_key in burst | probed
    ]
    return Judged(verdicts, rejudged)


def _in_bursts(clicks: Sequence[Click], link_count: int) -> set[bytes]:
    """Clicks that lie in some window of time with too many different links. Linear: robots click a lot."""
    ordered = sorted(clicks, key=lambda click: click.at)
    inside: Counter[int | None] = Counter()
    found: set[bytes] = set()
    start = marked = 0
    for end, click in enumerate(ordered):
        inside[click.link_index] += 1
        while click.at - ordered[start].at > BURST_WINDOW:
            inside -= Counter([ordered[start].link_index])
            start += 1
        if is_burst(len(inside), link_count):
            found.update(c.dedupe_key for c in ordered[max(start, marked) : end + 1])
            marked = end + 1
    return found


def _probed(clicks: Sequence[Click]) -> set[bytes]:
    """Clicks on a link that was asked for with HEAD at the same time."""
    heads: defaultdict[int | None, list[datetime]] = defaultdict(list)
    for click in sorted(clicks, key=lambda click: click.at):
        if click.method == "HEAD":
            heads[click.link_index].append(click.at)
    return {click.dedupe_key for click in clicks if _is_near(click.at, heads.get(click.link_index, []))}


def _is_near(at: datetime, ordered: Sequence[datetime]) -> bool:
    """Whether one of the times lies within the burst window of `at`."""
    place = bisect_left(ordered, at - BURST_WINDOW)
    return place < len(ordered) and ordered[place] <= at + BURST_WINDOW
