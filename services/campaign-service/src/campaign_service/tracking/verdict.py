"""Who made a hit: a person, a mail service's proxy, or a security scanner.

Every hit is stored with its verdict and with what it was judged by, so that better rules can judge again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

Verdict = Literal["human", "proxy", "scanner", "unknown"]
HitKind = Literal["open", "click"]

AT_DELIVERY = timedelta(seconds=2)
BURST_WINDOW = timedelta(seconds=2)
_MOST_BURST_LINKS = 3

# Fetchers that say what they are: security gateways, link previews, monitoring, programs' HTTP libraries.
_SCANNERS = re.compile(
    r"(?<!cu)bot\b|crawl|spider|scan(ner)?\b|preview|monitor|headless|phantomjs|urldefense|safelinks|proofpoint|"
    r"mimecast|barracuda|symantec|fireeye|trendmicro|bitdefender|sophos|fortinet|ironport|zscaler|forcepoint|"
    r"facebookexternalhit|whatsapp|skypeuripreview|slack-imgproxy|"
    r"^(curl|wget|python|go-http-client|java|okhttp|ruby|perl|libwww|axios|node|httpie|apache-httpclient|php)\b",
    re.IGNORECASE,
)
# Image proxies of mail services: a sign of delivery and perhaps of an open, never of a robot's click.
_PROXIES = re.compile(r"googleimageproxy|yahoomailproxy|yahoocachesystem|outlookimageproxy", re.IGNORECASE)
# Apple Mail Privacy Protection fetches every image with exactly this.
_APPLE_PREFETCH = "Mozilla/5.0"
_BROWSERS = re.compile(
    r"^(mozilla/\d|opera/)|microsoft outlook|microsoft office|ms-office|thunderbird", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known about a hit when it is judged.

    `reached_at` is when the mail was delivered, or else accepted. `in_burst`: too many links of the mail were
    requested at once. `was_probed`: the same link was asked for with HEAD at the same time. `met_trap`: the
    visitor followed the link of this mail that no person sees. `in_crowd`: the visitor asked for the mails of
    many people at once.
    """

    kind: HitKind
    method: str
    user_agent: str
    at: datetime
    reached_at: datetime | None
    in_burst: bool = False
    was_probed: bool = False
    met_trap: bool = False
    in_crowd: bool = False


def judge(hit: Circumstances) -> Verdict:
    """The verdict, by the strongest sign first."""
    agent = hit.user_agent.strip()
    if _SCANNERS.search(agent) or hit.method == "HEAD" or hit.was_probed or hit.met_trap:
        return "scanner"
    if hit.kind == "open" and (_PROXIES.search(agent) or agent == _APPLE_PREFETCH):
        return "proxy"
    if _is_too_soon(hit) or hit.in_burst or hit.in_crowd:
        return "scanner"
    if agent == _APPLE_PREFETCH or not _BROWSERS.search(agent):
        return "unknown"
    return "human"


def _is_too_soon(hit: Circumstances) -> bool:
    return hit.reached_at is not None and hit.at <= hit.reached_at + AT_DELIVERY


def is_burst(links: int, link_count: int) -> bool:
    """Whether so many different links within `BURST_WINDOW` are no person's: three, or both of two."""
    return links >= max(2, min(_MOST_BURST_LINKS, link_count))
