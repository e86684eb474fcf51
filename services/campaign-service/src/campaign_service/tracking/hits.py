"""Opens and clicks of one person: judging them together, because a burst shows only beside its neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from campaign_service.tracking.verdict import BURST_WINDOW, Circumstances, HitKind, Verdict, is_burst, judge

Person = tuple[UUID, UUID, UUID]


@dataclass(frozen=True, slots=True)
class Hit:
    """One request for a pixel or a link. `visitor` stands for the IP address, unlinkable after its day."""

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

    def with_link(self, urls: Sequence[str], url: str) -> Hit:
        """This hit as one on `url`, when it is a click and its mail has that link."""
        if self.kind != "click" or url not in urls:
            return self
        return replace(self, link_index=list(urls).index(url))


@dataclass(slots=True)
class Click:
    """A click that is on record, or about to be. `was` is its stored verdict when that has been changed."""

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
    hits: Sequence[Hit], recorded: Sequence[Click], reached_at: datetime | None, link_count: int
) -> Judged:
    """Judge the new hits of one person. `recorded` are their clicks on record around the times of the hits."""
    clicks = list(recorded)
    opens: list[tuple[Hit, Verdict]] = []
    fresh: list[tuple[Hit, Click]] = []
    for hit in sorted(hits, key=lambda h: h.at):
        near = [c for c in clicks if abs(c.at - hit.at) <= BURST_WINDOW] if hit.kind == "click" else []
        links = {c.link_index for c in near} | {hit.link_index}
        verdict = judge(
            Circumstances(
                kind=hit.kind,
                method=hit.method,
                user_agent=hit.user_agent,
                at=hit.at,
                reached_at=reached_at,
                links_near=len(links),
                link_count=link_count,
                head_near=any(c.method == "HEAD" and c.link_index == hit.link_index for c in near),
            )
        )
        if hit.kind == "open":
            opens.append((hit, verdict))
            continue
        if is_burst(len(links), link_count):
            _turn_into_scanner(near)
        click = Click(hit.link_index, hit.at, hit.method, verdict, hit.dedupe_key)
        clicks.append(click)
        fresh.append((hit, click))
    rejudged = [click for click in recorded if click.was is not None]
    return Judged([*opens, *((hit, click.verdict) for hit, click in fresh)], rejudged)


def _turn_into_scanner(clicks: Sequence[Click]) -> None:
    for click in clicks:
        if click.verdict != "scanner":
            click.was, click.verdict = click.was or click.verdict, "scanner"
