"""Short links: followed by people and by machines, which are counted apart."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from demo.client import ApiError, wait_for
from demo.mailwizz import BROWSER
from demo.story import Story
from demo.visits import SECURITY_GATEWAY

_PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148"
_LIBRARY = "python-requests/2.32"
_PEOPLE = ((BROWSER, 18), (_PHONE, 7))
_MACHINES = (("GET", SECURITY_GATEWAY, 5), ("GET", _LIBRARY, 3), ("HEAD", BROWSER, 4))


def follow_links(story: Story) -> None:
    """Make a link, follow it as people and machines do, switch it off."""
    story.report.step("Short links")
    link = story.shop.post(
        "/links",
        {
            "url": "https://shop.example.com/spring?lang=fr&utm_source=old#tickets",
            "title": "Spring",
            "utm": {"source": "mail", "campaign": "spring"},
        },
    )
    path = f"/l/{link['short_id']}"
    story.report.say(f"{urlsplit(link['short_url']).path} leads to {link['target_url']}")
    _check_target(story, path)
    people, machines = _follow(story, path)
    people += 1  # by the check of where it leads
    stats = wait_for(
        lambda: story.shop.get(f"/links/{link['id']}/stats"),
        lambda seen: seen["clicks"] >= people and seen["scanner_clicks"] >= machines,
        what="the clicks",
        seconds=20,
        every=0.2,
    )
    devices = {share["name"]: share["clicks"] for share in stats["devices"]}
    story.report.table(
        "Clicks",
        [
            ("by people", people, stats["clicks"]),
            ("by machines", machines, stats["scanner_clicks"]),
            ("on a phone", _PEOPLE[1][1], devices.get("mobile", 0)),
            ("on a desktop", people - _PEOPLE[1][1], devices.get("desktop", 0)),
        ],
    )
    picture = story.shop.send("GET", f"/links/{link['id']}/qr.svg")
    story.report.check("QR code is an SVG", True, picture.content.lstrip().startswith((b"<svg", b"<?xml")))
    _switch_off(story, link["id"], path)


def _check_target(story: Story, path: str) -> None:
    answer = story.gateway.send_unsigned("GET", path, headers={"User-Agent": BROWSER})
    target = urlsplit(answer.headers["location"])
    query = parse_qs(target.query)
    story.report.check("link redirects", 302, answer.status_code)
    story.report.check(
        "UTM parameters are merged",
        {"lang": ["fr"], "utm_source": ["mail"], "utm_campaign": ["spring"]},
        query,
    )
    story.report.check("the fragment is kept", "tickets", target.fragment)


def _follow(story: Story, path: str) -> tuple[int, int]:
    """How many people and machines came."""
    for agent, times in _PEOPLE:
        for _ in range(times):
            story.gateway.send_unsigned("GET", path, headers={"User-Agent": agent})
    for method, agent, times in _MACHINES:
        for _ in range(times):
            story.gateway.send_unsigned(method, path, headers={"User-Agent": agent})
    return sum(times for _, times in _PEOPLE), sum(times for *_, times in _MACHINES)


def _switch_off(story: Story, link_id: str, path: str) -> None:
    story.shop.send("PATCH", f"/links/{link_id}", json={"is_active": False})

    def status() -> int:
        try:
            return story.gateway.send_unsigned("GET", path, headers={"User-Agent": BROWSER}).status_code
        except ApiError as error:
            return error.status

    gone = wait_for(status, lambda seen: seen == 410, what="the end of the link", seconds=70, every=0.2)
    story.report.check("a link that is switched off", 410, gone)
    story.report.say("Switched off, it answers 410.")
