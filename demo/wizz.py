"""A tenant whose MailWizz sends whole campaigns: of all but opens and clicks it tells only when asked."""

from __future__ import annotations

from anyio.from_thread import start_blocking_portal

from demo.account import new_tenant
from demo.client import Gateway, TooLateError, wait_for
from demo.figures import counts_of
from demo.story import Story
from tests.simulators.mailwizz import KEY, MailWizz, bounce, delivery, person, running

_PEOPLE = [f"guest-{number:03}@example.com" for number in range(1, 121)]
_HARD, _SOFT, _LEFT, _COMPLAINED = 5, 3, 2, 1
_NAMES = {
    "sent": "mails sent",
    "delivered": "delivered",
    "bounced_hard": "hard bounces",
    "bounced_soft": "soft bounces",
    "complained": "complaints",
    "unsubscribed": "unsubscribed",
}


def send_by_mailwizz(story: Story) -> None:
    """A campaign is brought to MailWizz and sent there; its figures come from four lists that are polled."""
    story.report.step("A tenant that sends by MailWizz")
    if not story.outside.is_simulated:
        story.report.say("Left out: this installation is not joined to simulated servers.")
        return
    server = MailWizz()
    with (
        start_blocking_portal() as thread,
        thread.wrap_async_context_manager(running(server)),
        new_tenant(story, "Brasserie du Lac", "brasserie") as brasserie,
    ):
        _import(brasserie)
        wizz = {
            "name": "mailwizz",
            "kind": "mailwizz",
            "url": server.url,
            "secret": KEY,
            "sends": "campaigns",
        }
        _set_up(brasserie, wizz)
        campaign = _start(brasserie)
        uid = _wait_until_brought(server)
        _tell(server, uid)
        _check(story, brasserie, campaign, server)
        # Nobody answers there any more.
        _set_up(brasserie)


def _import(brasserie: Gateway) -> None:
    rows = "".join(f"{address},Guest {place},en\n" for place, address in enumerate(_PEOPLE, start=1))
    path = f"/api/v2/contacts/{brasserie.tenant_id}"
    file = {"file": ("guests.csv", f"email,first_name,language\n{rows}".encode(), "text/csv")}
    accepted = brasserie.send("POST", f"{path}/import", files=file, data={"tags": "guests"}).json()["data"]
    wait_for(
        lambda: brasserie.get(f"{path}/imports/{accepted['import_id']}")["status"],
        lambda status: status == "completed",
        what="the import",
        seconds=60,
        every=0.2,
    )


def _set_up(brasserie: Gateway, *providers: dict[str, str]) -> None:
    brasserie.send("PUT", f"/api/v2/sending/{brasserie.tenant_id}/channels", json={"email": providers})


def _start(brasserie: Gateway) -> str:
    html = '<p>Dear {{ first_name }}, fish today. <a href="{{ unsubscribe_url }}">Enough</a></p>'
    contents = {"en": {"subject": "Fish on Friday, {{ first_name }}", "html": html}}
    template = brasserie.post(
        "/api/v2/templates", {"name": "Fish", "default_language": "en", "contents": contents}
    )
    body = {"name": "Fish on Friday", "template_id": template["id"], "tags_all": ["guests"]}
    made = brasserie.post("/api/v2/campaigns", body)
    brasserie.post(f"/api/v2/campaigns/{brasserie.tenant_id}/{made['id']}/send")
    return str(made["id"])


def _wait_until_brought(server: MailWizz) -> str:
    """What MailWizz calls the campaign, once it has it with all its readers."""
    [uid] = wait_for(
        lambda: [uid for uid, sent in server.campaigns.sent.items() if sent.status != "paused"],
        lambda uids: len(uids) == 1,
        what="the campaign at MailWizz",
        seconds=60,
        every=0.2,
    )
    return uid


def _greeted(server: MailWizz) -> int:
    """How many readers of the campaign there are, each greeted by the name we know."""
    [uid] = server.campaigns.sent
    mails = server.campaigns.mails(uid)
    names = {address: f"Guest {place}" for place, address in enumerate(_PEOPLE, start=1)}
    return sum(
        subject == f"Fish on Friday, {names[address]}" and f"Dear {names[address]}," in html
        for address, (subject, html) in mails.items()
    )


def _tell(server: MailWizz, uid: str) -> None:
    """MailWizz sends the campaign; what it has in its lists then."""
    hard, soft, reached = _PEOPLE[:_HARD], _PEOPLE[_HARD : _HARD + _SOFT], _PEOPLE[_HARD + _SOFT :]
    server.add(uid, "delivery-logs", *(delivery(address, confirmed=False) for address in (*hard, *soft)))
    server.add(uid, "delivery-logs", *(delivery(address) for address in reached))
    server.add(uid, "bounces", *(bounce(address) for address in hard))
    server.add(uid, "bounces", *(bounce(address, "soft", "452 4.2.2 mailbox full") for address in soft))
    server.add(uid, "unsubscribes", *({"subscriber": person(address)} for address in reached[:_LEFT]))
    server.add(uid, "complaints", {"subscriber": person(reached[-1])})
    # Only now: who is in no list when all is sent has got nothing.
    server.campaigns.sent[uid].status = "sent"


def _check(story: Story, brasserie: Gateway, campaign: str, server: MailWizz) -> None:
    expected = {
        "sent": len(_PEOPLE),
        "delivered": len(_PEOPLE) - _HARD - _SOFT,
        "bounced_hard": _HARD,
        "bounced_soft": _SOFT,
        "complained": _COMPLAINED,
        "unsubscribed": _LEFT,
    }

    def look() -> dict[str, int]:
        counts = counts_of(brasserie, campaign)
        return {name: counts[name] for name in expected}

    try:
        seen = wait_for(
            look, lambda seen: seen == expected, what="what MailWizz tells", seconds=30, every=0.2
        )
    except TooLateError:
        seen = look()
    suppressed = brasserie.pages(f"/api/v2/suppressions/{brasserie.tenant_id}")
    asked = sum(line.startswith("/api/campaigns/") for line in server.requests)
    story.report.say(f"MailWizz at {server.url} was asked {asked} times")
    story.report.table(
        "By MailWizz",
        [
            ("campaigns there", 1, len(server.campaigns.sent)),
            ("its readers with the right name", len(_PEOPLE), _greeted(server)),
            *((_NAMES[name], number, seen[name]) for name, number in expected.items()),
            ("suppressed addresses", _HARD + _COMPLAINED + _LEFT, len(suppressed)),
        ],
    )
