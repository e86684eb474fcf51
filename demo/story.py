"""What the parts of the demo share: the two connections, the report, and what has been done so far."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from demo.client import Gateway, MailCatcher
from demo.contacts import ContactsFile, Person
from demo.mail import Envelope, Mail
from demo.report import Report
from deploy.local.outside import Outside


class DemoError(Exception):
    """The demo cannot go on; the message is the whole explanation."""


@dataclass(frozen=True, slots=True)
class Source:
    """A webhook source: where to post, and the token that goes with it."""

    id: str
    token: str
    url: str


@dataclass
class Deeds:
    """What was done to the campaign's mails, counted as the product must count it."""

    figures: Counter[str] = field(default_factory=Counter)
    clicks_by_link: dict[str, Counter[str]] = field(default_factory=dict)
    suppressed: Counter[str] = field(default_factory=Counter)
    not_applied: Counter[tuple[str, str]] = field(default_factory=Counter)

    def click(self, url: str, verdict: str) -> None:
        self.figures[f"clicks_{verdict}"] += 1
        self.clicks_by_link.setdefault(url, Counter())[verdict] += 1


@dataclass(frozen=True, slots=True)
class Trial:
    """A test of two subjects that is under way: who is to get a mail, and of either subject the mails and the
    people who clicked.
    """

    campaign_id: str
    path: str
    first_mail: int
    audience: frozenset[str]
    groups: tuple[list[Envelope], list[Envelope]]
    clicks: tuple[int, int]


@dataclass(frozen=True, slots=True)
class WarmDay:
    """The campaign that a warm-up holds back, and the mails that went."""

    path: str
    mails: list[Envelope]


@dataclass
class Story:
    gateway: Gateway
    mails: MailCatcher
    report: Report
    file: ContactsFile
    run: str
    outside: Outside = field(default_factory=Outside)
    deeds: Deeds = field(default_factory=Deeds)
    sources: dict[str, Source] = field(default_factory=dict)
    template_id: str = ""
    campaign_id: str = ""
    audience: list[Person] = field(default_factory=list)
    received: list[Envelope] = field(default_factory=list)
    delivered: list[Envelope] = field(default_factory=list)
    trial: Trial | None = None
    warm_day: WarmDay | None = None
    programs: list[Gateway] = field(default_factory=list)

    def close(self) -> None:
        for program in self.programs:
            program.close()

    @property
    def shop(self) -> Gateway:
        """The ticket shop's own program: it calls with an API key."""
        return self.programs[0]

    @property
    def office(self) -> Gateway:
        """The office's program, with an administrator's key."""
        return self.programs[-1]

    @property
    def tenant(self) -> str:
        return self.gateway.tenant_id

    @property
    def external_ref(self) -> str:
        """What MailWizz calls the campaign."""
        return f"gz{self.run}"

    def campaign_path(self, action: str = "") -> str:
        return f"/api/v2/campaigns/{self.tenant}/{self.campaign_id}{action}"

    def mails_of(self, campaign_id: str, after: int) -> list[Envelope]:
        """A campaign's mails among those that came after a number: others may come from earlier demos."""
        found = (Envelope.of(summary) for summary in self.mails.after(after))
        return [mail for mail in found if mail.job == campaign_id]

    def open_mail(self, envelope: Envelope) -> Mail:
        """Fetch a received mail and read it."""
        return Mail.parse(self.mails.content(envelope.number))

    def post_webhook(self, kind: str, body: str, content_type: str) -> dict[str, Any]:
        """Post to a source, PowerMTA and Make with the token in a header, others by their own address."""
        source = self.sources[kind]
        headers = {"Content-Type": content_type}
        path = f"/hooks/{source.token}"
        if kind == "powermta":
            path, headers["X-Webhook-Token"] = "/api/v2/webhooks/powermta", source.token
        if kind == "make":
            path, headers["x-make-token"] = "/integrations/make/webhook", source.token
        response = self.gateway.send_unsigned("POST", path, content=body.encode(), headers=headers)
        answer: dict[str, Any] = response.json()["data"]
        return answer
