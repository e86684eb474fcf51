"""From a template in two languages to mails in mailboxes."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from demo import content
from demo.client import wait_for
from demo.mail import Envelope, Mail
from demo.story import Story

TAGS_ALL = {"newsletter", "customer"}
TAGS_ANY = {"lyon", "bruxelles", "geneve"}
EXCLUDE_TAGS = {"competitor", "do-not-mail"}
_SENT = frozenset({"sent", "partially_failed", "cancelled", "paused"})
_SAMPLE = 30


def create_campaign(story: Story) -> None:
    """Template and campaign; audience and preview are compared with our own idea of them."""
    story.report.step("A template in French and English, and a campaign")
    template = story.gateway.post("/api/v2/templates", content.template())
    story.template_id = template["id"]
    created = story.gateway.post(
        "/api/v2/campaigns",
        {
            "name": "Spring newsletter",
            "template_id": template["id"],
            "tags_all": sorted(TAGS_ALL),
            "tags_any": sorted(TAGS_ANY),
            "exclude_tags": sorted(EXCLUDE_TAGS),
            "from_name": "Jardins de la Dombes",
            "external_ref": story.external_ref,
        },
    )
    story.campaign_id = created["id"]
    story.audience = story.file.audience(TAGS_ALL, TAGS_ANY, EXCLUDE_TAGS)
    story.report.say(
        f"All of {', '.join(sorted(TAGS_ALL))}; any of {', '.join(sorted(TAGS_ANY))}; "
        f"none of {', '.join(sorted(EXCLUDE_TAGS))}"
    )
    audience = story.gateway.get(story.campaign_path("/audience"))
    story.report.check("audience", len(story.audience), audience["count"])
    addresses = {person.email for person in story.audience}
    sample = {contact["email"].lower() for contact in audience["sample"]}
    story.report.check("sample lies in the audience", sample, sample & addresses)
    story.report.say(f"Audience: {audience['count']:,} people, as counted from the file")
    _preview(story)


def _preview(story: Story) -> None:
    """In both languages, as one French-speaking contact would see it."""
    person = next(person for person in story.audience if person.language == "fr")
    [contact] = story.gateway.get(f"/api/v2/contacts/{story.tenant}", q=person.email)
    for language in content.LINKS:
        seen = story.gateway.get(story.campaign_path("/preview"), contact_id=contact["id"], language=language)
        subject = content.subject_for(language, person.first_name)
        story.report.check(f"subject of the {language} preview", subject, seen["subject"])
        story.report.check(f"name in the {language} preview", True, person.last_name in seen["html"])
        story.report.check(f"warnings of the {language} preview", [], seen["warnings"])
        story.report.say(f'Preview ({language}): "{seen["subject"]}"')


def send(story: Story) -> None:
    """Send, watch it go, and look into every mailbox."""
    story.report.step("Sending")
    last_before = story.mails.newest_id()
    began = time.monotonic()
    answer = story.gateway.post(
        story.campaign_path("/send"), headers={"Idempotency-Key": f"send-{story.run}"}
    )
    again = story.gateway.post(story.campaign_path("/send"), headers={"Idempotency-Key": f"send-{story.run}"})
    story.report.check("asking twice with one Idempotency-Key", answer, again)
    done = wait_for(
        lambda: _progress(story), lambda seen: seen["status"] in _SENT, what="the campaign", seconds=60
    )
    seconds = time.monotonic() - began
    story.report.say(
        f"{done['done']:,} mails in {seconds:.1f} s, {done['done'] / seconds:,.0f} a second, over SMTP"
    )
    story.report.check("status of the campaign", "sent", done["status"])
    story.deeds.figures["sent"] = len(story.audience)
    _check_mailboxes(story, last_before)


def _progress(story: Story) -> dict[str, Any]:
    seen: dict[str, Any] = story.gateway.get(story.campaign_path("/progress"))
    story.report.progress("mails", seen["done"], seen["total"], f"{seen['rate']:,.0f}/s")
    return seen


def _check_mailboxes(story: Story, last_before: int) -> None:
    """One mail each, nobody left out, nobody twice, nobody else; language by language."""
    audience = {person.email: person for person in story.audience}
    story.received = story.mails_of(story.campaign_id, last_before)
    times = Counter(mail.recipient for mail in story.received)
    subjects = sum(
        mail.subject == content.subject_for(person.language, person.first_name)
        for mail in story.received
        if (person := audience.get(mail.recipient))
    )
    story.report.table(
        "Mailboxes",
        [
            ("people with a mail", len(audience), len(times.keys() & audience.keys())),
            ("people who were not meant", 0, len(times.keys() - audience.keys())),
            ("people with two", 0, sum(number > 1 for number in times.values())),
            ("different Message-IDs", len(audience), len({mail.reference for mail in story.received})),
            ("right name and language", len(audience), subjects),
        ],
    )
    for mail in story.received[:: max(1, len(story.received) // _SAMPLE)]:
        _check_mail(story, mail, story.open_mail(mail))


def _check_mail(story: Story, envelope: Envelope, mail: Mail) -> None:
    person = story.file.people[envelope.recipient]
    headers = mail.headers
    story.report.check(f"links in the mail to {person.email}", 4, len(mail.links))
    story.report.check("nothing is left to fill in", False, "{{" in mail.html + mail.text)
    story.report.check("last name is in the HTML part", True, person.last_name in mail.html)
    story.report.check("last name is in the text part", True, person.last_name in mail.text)
    story.report.check(
        "one-click unsubscribe is offered", "List-Unsubscribe=One-Click", headers["List-Unsubscribe-Post"]
    )
    story.report.check("job of the mail", story.campaign_id, headers["X-Job"])
    story.report.check("envelope id of the mail", envelope.reference, headers["X-Envid"])
