"""Readers, mail services and security scanners, each requesting what is in the mails they got."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx

from demo import mailwizz
from demo.content import links_of
from demo.mail import Envelope, Mail
from demo.mailwizz import BROWSER
from demo.story import Story

GMAIL_PROXY = "Mozilla/5.0 (Windows NT 5.1) Firefox/11.0 (via ggpht.com GoogleImageProxy)"
APPLE_PREFETCH = "Mozilla/5.0"
UNKNOWN_PROGRAM = "Courrier/3.1"
SECURITY_GATEWAY = "Mozilla/5.0 (compatible; Proofpoint URL Defense)"
#: A person does not open a mail in the first seconds after its delivery; what does is a machine.
_SETTLING = timedelta(seconds=3)


class Visitor:
    """Requests addresses out of mails, as whoever `agent` says it is."""

    def __init__(self, story: Story, agent: str) -> None:
        self._story = story
        self._agent = agent

    def request(self, method: str, address: str, **request: Any) -> httpx.Response:
        """A request to the public door; the mails name it by its public address."""
        headers = {"User-Agent": self._agent}
        return self._story.gateway.send_unsigned(method, urlsplit(address).path, headers=headers, **request)

    def open(self, mail: Mail) -> None:
        response = self.request("GET", mail.pixel)
        self._story.report.check("pixel is a picture", "image/gif", response.headers["content-type"])

    def follow(self, link: str, method: str = "GET") -> str:
        """Where a link leads."""
        response = self.request(method, link)
        return str(response.headers["location"])


def wait_until_read(story: Story) -> None:
    """Nobody reads before the last mail has been in its mailbox for a moment."""
    latest = max(mail.received_at for mail in story.received)
    pause = (latest + _SETTLING + timedelta(seconds=1) - datetime.now(UTC)).total_seconds()
    time.sleep(max(0.0, pause))


def visit(story: Story) -> None:
    """Every kind of visitor, on mails of different people."""
    story.report.step("Readers, proxies and scanners request what is in their mails")
    wait_until_read(story)
    people = iter(story.delivered)
    _read(story, _take(people, 60))
    _fetch_by_proxies(story, _take(people, 20))
    _scan_openly(story, _take(people, 10))
    _scan_quietly(story, _take(people, 6))
    _unsubscribe(story, _take(people, 21))
    _report_by_mailwizz(story, _take(people, 32))


def _take(people: Iterator[Envelope], number: int) -> list[Envelope]:
    return [next(people) for _ in range(number)]


def _read(story: Story, people: list[Envelope]) -> None:
    """People open the mail; some twice, some click, some two links."""
    reader = Visitor(story, BROWSER)
    figures = story.deeds.figures
    for place, person in enumerate(people):
        mail = story.open_mail(person)
        openings = 2 if place % 6 == 0 else 1
        for _ in range(openings):
            reader.open(mail)
        figures["opens_human"] += openings
        figures["unique_opens"] += 1
        clicked = mail.links[: 2 if place % 5 == 0 else 1] if place % 2 == 0 else ()
        for link in clicked:
            story.deeds.click(reader.follow(link), "human")
        figures["unique_clicks"] += bool(clicked)
    story.report.say(
        f"{len(people)} people opened {figures['opens_human']} times; "
        f"{figures['unique_clicks']} of them clicked {figures['clicks_human']} links"
    )


def _fetch_by_proxies(story: Story, people: list[Envelope]) -> None:
    """Pictures loaded by mail services, and by a program that does not say what it is."""
    agents = (GMAIL_PROXY, APPLE_PREFETCH, GMAIL_PROXY, UNKNOWN_PROGRAM)
    for place, person in enumerate(people):
        agent = agents[place % len(agents)]
        Visitor(story, agent).open(story.open_mail(person))
        story.deeds.figures["opens_unknown" if agent == UNKNOWN_PROGRAM else "opens_proxy"] += 1
    story.report.say(
        f"{len(people)} pictures were loaded by Gmail's and Apple's proxies and an unknown program"
    )


def _scan_openly(story: Story, people: list[Envelope]) -> None:
    """A gateway that says its name: HEAD and GET of everything."""
    scanner = Visitor(story, SECURITY_GATEWAY)
    for person in people:
        mail = story.open_mail(person)
        scanner.open(mail)
        story.deeds.figures["opens_scanner"] += 1
        for link in mail.links:
            for method in ("HEAD", "GET"):
                story.deeds.click(scanner.follow(link, method), "scanner")
    story.report.say(f"{len(people)} mails were scanned by a security gateway, HEAD and GET of each link")


def _scan_quietly(story: Story, people: list[Envelope]) -> None:
    """A gateway that looks like a browser, but follows all links at once."""
    scanner = Visitor(story, BROWSER)
    for person in people:
        for link in story.open_mail(person).links:
            story.deeds.click(scanner.follow(link), "scanner")
    story.report.say(f"{len(people)} mails had all links followed at once by what called itself a browser")


def _unsubscribe(story: Story, people: list[Envelope]) -> None:
    """One click by most, twice by some; the rest is a scanner that only looks at the page."""
    browser = Visitor(story, BROWSER)
    lookers, leavers = people[:6], people[6:]
    for person in lookers:
        page = browser.request("GET", story.open_mail(person).unsubscribe)
        story.report.check("unsubscribe page asks first", True, "<form" in page.text)
    for place, person in enumerate(leavers):
        address = story.open_mail(person).unsubscribe
        for _ in range(2 if place % 3 == 0 else 1):
            browser.request("POST", address, data={"List-Unsubscribe": "One-Click"})
        story.deeds.figures["unsubscribed"] += 1
        story.deeds.suppressed["unsubscribed"] += 1
    story.report.say(
        f"{len(leavers)} people unsubscribed by one click, {len(leavers[::3])} of them twice; "
        f"{len(lookers)} pages were only looked at"
    )


def _report_by_mailwizz(story: Story, people: list[Envelope]) -> None:
    """Opens and clicks that MailWizz saw; every fourth is posted twice."""
    for place, person in enumerate(people):
        body = _mailwizz_event(story, person, is_click=place % 3 == 0)
        answer = story.post_webhook("mailwizz", body, "application/json")
        story.report.check("MailWizz event is new", False, answer["duplicate"])
        if place % 4 == 0:
            again = story.post_webhook("mailwizz", body, "application/json")
            story.report.check("repeated MailWizz event is recognised", True, again["duplicate"])
    story.report.say(f"MailWizz reported {len(people)} opens and clicks, {len(people[::4])} of them twice")


def _mailwizz_event(story: Story, person: Envelope, *, is_click: bool) -> str:
    """The body of an event that is counted as a person's."""
    if not is_click:
        story.deeds.figures["opens_human"] += 1
        story.deeds.figures["unique_opens"] += 1
        return mailwizz.event("open", person, story.external_ref, time.time())
    url = links_of(story.file.people[person.recipient].language)[0]
    story.deeds.click(url, "human")
    story.deeds.figures["unique_clicks"] += 1
    return mailwizz.event("click", person, story.external_ref, time.time(), url)
