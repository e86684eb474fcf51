"""A tenant that sends by MailWizz, which tells by itself only of opens and clicks: the rest is asked for."""

from __future__ import annotations

from anyio.from_thread import start_blocking_portal

from demo import content
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
    """A campaign goes out through MailWizz; its figures come from four lists that are polled."""
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
        wizz = {"name": "mailwizz", "kind": "mailwizz", "url": server.url, "secret": KEY}
        _set_up(brasserie, wizz)
        campaign = _send(story, brasserie)
        _tell(server, story.external_ref)
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


def _send(story: Story, brasserie: Gateway) -> str:
    template = brasserie.post("/api/v2/templates", content.template())
    body = {"name": "Fish on Friday", "template_id": template["id"], "tags_all": ["guests"]}
    made = brasserie.post("/api/v2/campaigns", body | {"external_ref": story.external_ref})
    path = f"/api/v2/campaigns/{brasserie.tenant_id}/{made['id']}"
    brasserie.post(f"{path}/send")
    wait_for(
        lambda: brasserie.get(f"{path}/progress"),
        lambda seen: seen["status"] == "sent",
        what="the mails by MailWizz",
        seconds=60,
        every=0.2,
    )
    return str(made["id"])


def _tell(server: MailWizz, uid: str) -> None:
    """What MailWizz has in its lists."""
    hard, soft, reached = _PEOPLE[:_HARD], _PEOPLE[_HARD : _HARD + _SOFT], _PEOPLE[_HARD + _SOFT :]
    server.add(uid, "delivery-logs", *(delivery(address) for address in reached))
    server.add(uid, "bounces", *(bounce(address) for address in hard))
    server.add(uid, "bounces", *(bounce(address, "soft", "452 4.2.2 mailbox full") for address in soft))
    server.add(uid, "unsubscribes", *({"subscriber": person(address)} for address in reached[:_LEFT]))
    server.add(uid, "complaints", {"subscriber": person(reached[-1])})


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
    story.report.say(f"{len(server.mails)} mails given to {server.url}, which was asked {asked} times")
    story.report.table(
        "By MailWizz",
        [
            ("mails that MailWizz took", len(_PEOPLE), len({mail["to_email"] for mail in server.mails})),
            *((_NAMES[name], number, seen[name]) for name, number in expected.items()),
            ("suppressed addresses", _HARD + _COMPLAINED + _LEFT, len(suppressed)),
        ],
    )
