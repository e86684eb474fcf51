"""The mails that the agency's clients and its watch received."""

from __future__ import annotations

from collections import Counter
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import TYPE_CHECKING, Any

from demo.client import wait_for

if TYPE_CHECKING:
    from demo.property import Agency, Client

#: What subjects have, by language and kind of mail.
_SUBJECTS = {
    "fr": {"welcome": "Bienvenue", "announcement": "arrivent demain", "new addresses": "nouvelle"},
    "en": {"welcome": "Welcome", "announcement": "arrive tomorrow", "new addresses": "new propert"},
}


def check_mails(agency: Agency) -> None:
    """Each mail once: a welcome, an announcement a month, what was found, and what was missing."""
    agency.report.step("The mails")
    expected = sum(_wanted(client).total() for client in agency.clients)
    short = [n for client in agency.clients for n in client.by_report if n < client.per_report]
    mails = wait_for(
        lambda: _received(agency),
        lambda mails: len(mails) >= expected + len(short),
        what="the mails",
        seconds=30,
    )
    by_reader = Counter(mail["to"][0] for mail in mails)
    for mail in mails:
        agency.report.say(f"{mail['to'][0].partition('-')[0]:<8} {mail['subject']}")
    rows: list[tuple[str, object, object]] = []
    for client in agency.clients:
        rows += _of_client(client, [mail for mail in mails if mail["to"][0] == client.email])
    rows.append(("watch: alerts", len(short), by_reader[agency.alerts_to]))
    agency.report.table("Mails", rows)
    _check_parts(agency, mails)
    _show_alert(agency, mails)


def _received(agency: Agency) -> list[dict[str, Any]]:
    readers = {client.email for client in agency.clients} | {agency.alerts_to}
    return [mail for mail in agency.mails.after(agency.first_mail) if mail["to"][0] in readers]


def _wanted(client: Client) -> Counter[str]:
    """How many mails of which kind a client is to get."""
    served = sum(number > 0 for number in client.by_report)
    return Counter(["welcome"] + ["announcement"] * len(client.by_report) + ["new addresses"] * served)


def _of_client(client: Client, mails: list[dict[str, Any]]) -> list[tuple[str, object, object]]:
    wanted = _wanted(client)
    measured = Counter(_kind(str(mail["subject"]), client.language) for mail in mails)
    kinds = [(f"{client.first_name}: {kind}", number, measured[kind]) for kind, number in wanted.items()]
    return [*kinds, (f"{client.first_name}: mails in all", wanted.total(), len(mails))]


def _kind(subject: str, language: str) -> str:
    for kind, words in _SUBJECTS[language].items():
        if words in subject:
            return kind
    return subject


def _check_parts(agency: Agency, mails: list[dict[str, Any]]) -> None:
    """Every mail has text and HTML, is from the agency, and says where its data is from."""
    told = 0
    for mail in mails:
        message = message_from_bytes(
            agency.mails.content(int(mail["id"])), _class=EmailMessage, policy=default
        )
        html, text = message.get_body(("html",)), message.get_body(("plain",))
        told += (
            html is not None
            and text is not None
            and "Agence Vallon" in str(message["From"])
            and "max-width: 600px" in html.get_content()
            and "{{" not in text.get_content()
        )
    agency.report.check("mails with both parts, from the agency", len(mails), told)


def _show_alert(agency: Agency, mails: list[dict[str, Any]]) -> None:
    alerts = [mail for mail in mails if mail["to"][0] == agency.alerts_to]
    if not alerts:
        return
    agency.report.say()
    agency.report.say("The first alert:")
    for line in agency.mails.text(int(alerts[0]["id"])).strip().splitlines():
        agency.report.say(f"    {line}" if line else "")
