"""Signing up: tenant, proven address, webhook sources."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager

from demo.client import Gateway, wait_for
from demo.story import DemoError, Source, Story

_TOKEN = re.compile(r"#token=([A-Za-z0-9._~-]+)")
_REQUESTS_NEEDED = 400
PROGRAMS = 8
SOURCES = (
    ("powermta", "PowerMTA, Lyon"),
    ("mailwizz", "MailWizz"),
    ("make", "Make scenario"),
    ("fienta", "Fienta"),
)


def sign_up(story: Story) -> None:
    """Register a tenant under a new address."""
    story.report.step("A new tenant signs up")
    email = f"owner-{story.run}@example.com"
    signed_in = story.gateway.post(
        "/auth/register",
        {
            "tenant_name": "Jardins de la Dombes",
            "email": email,
            "password": secrets.token_urlsafe(18),
            "first_name": "Amélie",
            "last_name": "Crèvecœur",
            "language": "fr",
            "time_zone": "Europe/Paris",
        },
    )
    story.gateway.sign_in(signed_in["tenant"]["id"], signed_in["tokens"]["access_token"])
    story.report.say(f"{signed_in['tenant']['name']}, owner {email}")
    _check_rate_limit(story)
    subject = prove_address(story, story.gateway, email)
    story.report.say(f'Mail received: "{subject}"; its link was followed.')
    # A token says what was true when it was made; only who has proven the address sends.
    tokens = story.gateway.post("/auth/refresh", {"refresh_token": signed_in["tokens"]["refresh_token"]})
    story.gateway.sign_in(signed_in["tenant"]["id"], tokens["tokens"]["access_token"])
    user = story.gateway.get("/auth/me")["user"]
    story.report.check("owner's address is proven", True, user["email_verified"])


def _check_rate_limit(story: Story) -> None:
    headers = story.gateway.send("GET", "/auth/me").headers
    limit = int(headers.get("x-ratelimit-limit", _REQUESTS_NEEDED))
    story.report.say(f"This gateway allows the tenant's owner {limit:,} requests per window.")
    if limit < _REQUESTS_NEEDED:
        raise DemoError(
            f"The demo makes up to {_REQUESTS_NEEDED} requests; start the gateway with a higher "
            "RATE_LIMIT_REQUESTS (run.py does)."
        )


def prove_address(story: Story, owner: Gateway, email: str) -> str:
    """Follow the link of the mail that the registration set off over the event bus; the mail's subject."""
    [mail] = wait_for(
        lambda: story.mails.after(0, to=email),
        lambda mails: len(mails) == 1,
        what="the mail that confirms the address",
        seconds=30,
    )
    token = verification_token(story.mails.text(int(mail["id"])))
    owner.post("/auth/verify-email", {"token": token})
    return str(mail["subject"])


def verification_token(text: str) -> str:
    """The one-time token in the link of a mail. Raises DemoError when there is none."""
    found = _TOKEN.search(text)
    if found is None:
        raise DemoError("The mail that confirms the address has no link with a token.")
    return found[1]


def create_programs(story: Story) -> None:
    """API keys for the programs that hand out codes and for the office: made only just after signing in."""
    story.report.step("API keys for the ticket shop's programs and the office's")
    for number in range(PROGRAMS):
        made = story.gateway.post("/api-keys", {"name": f"Box office {number + 1}", "scopes": ["write"]})
        story.programs.append(story.gateway.program(story.tenant, made["key"]))
    office = story.gateway.post("/api-keys", {"name": "Office", "scopes": ["admin"]})
    story.programs.append(story.gateway.program(story.tenant, office["key"]))
    story.report.say(f"{PROGRAMS} keys with the scope write, one with the scope admin, each shown once")


@contextmanager
def new_tenant(story: Story, name: str, local_part: str, **profile: str) -> Iterator[Gateway]:
    """Another tenant signs up; its program, which has an administrator's API key."""
    body = {
        "tenant_name": name,
        "email": f"{local_part}-{story.run}@example.com",
        "password": secrets.token_urlsafe(18),
        **profile,
    }
    with closing(Gateway(str(story.gateway.url))) as owner:
        signed_in = owner.post("/auth/register", body)
        owner.sign_in(signed_in["tenant"]["id"], signed_in["tokens"]["access_token"])
        prove_address(story, owner, body["email"])
        key = owner.post("/api-keys", {"name": "Own program", "scopes": ["admin"]})["key"]
        story.report.say(f"{name}, its program with an API key of the scope admin")
        with closing(owner.program(owner.tenant_id, key)) as program:
            yield program


def create_sources(story: Story) -> None:
    """A webhook source for each system that reports to us."""
    story.report.step("Webhook sources for PowerMTA, MailWizz, Make and Fienta")
    for kind, name in SOURCES:
        created = story.gateway.post("/webhook-sources", {"name": name, "type": kind})
        story.sources[kind] = Source(created["id"], created["token"], created["url"])
        story.report.say(f"{name}: token …{created['token_hint']}, shown once")
