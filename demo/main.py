"""`python3 run.py demo`: the product played through its public door on real files, each figure checked."""

from __future__ import annotations

import secrets
import sys
from contextlib import closing
from typing import TextIO

import httpx

from demo.account import create_programs, create_sources, sign_up
from demo.automation import rename_codes
from demo.campaign import create_campaign, send
from demo.client import ApiError, Gateway, MailCatcher, TooLateError
from demo.codes import allocate, generate, import_codes
from demo.contacts import make_contacts
from demo.feedback import report_deliveries
from demo.figures import check_figures
from demo.importing import create_tags, import_again, import_contacts
from demo.links import follow_links
from demo.orders import post_orders, repair_an_order
from demo.property import property_sales
from demo.report import Report
from demo.returned import take_back
from demo.story import DemoError, Story
from demo.subjects import tell_winner, try_subjects
from demo.texts import text_parents
from demo.visits import visit
from demo.warming import warm_up
from demo.wizz import send_by_mailwizz
from deploy.local.outside import Outside

NOWHERE = Outside()
PARTS = (
    sign_up,
    create_programs,
    create_sources,
    create_tags,
    import_contacts,
    import_again,
    create_campaign,
    send,
    report_deliveries,
    visit,
    check_figures,
    try_subjects,
    warm_up,
    take_back,
    text_parents,
    send_by_mailwizz,
    import_codes,
    generate,
    allocate,
    follow_links,
    post_orders,
    repair_an_order,
    rename_codes,
    property_sales,
    tell_winner,
)


def run(
    gateway_url: str,
    mailcatcher_url: str,
    *,
    events: str = "",
    rows: int = 20_000,
    outside: Outside = NOWHERE,
    out: TextIO = sys.stdout,
) -> int:
    """Play the whole demo; 0 when every figure was right, 1 when one was wrong or something did not work,
    130 after Ctrl-C.

    Each run is a tenant of its own, so it can be repeated on the same installation, but not twice at the same
    time: the runs would read each other's mails. `events` says in words which event transport is in use.
    `outside` is where the installation expects other systems, on this machine: simulators are started there.
    """
    report = Report(out)
    if not mailcatcher_url:
        report.say("The demo reads the mails it sends: it needs the mail catcher (SMTP_URL unset).")
        return 1
    report.say(f"Demo at {gateway_url}; events over {events or 'an unnamed transport'}")
    try:
        with Gateway(gateway_url) as gateway, MailCatcher(mailcatcher_url) as mails:
            file, run_id = make_contacts(rows), secrets.token_hex(5)
            story = Story(gateway, mails, report, file, run=run_id, outside=outside)
            with closing(story):
                for part in PARTS:
                    part(story)
    except (ApiError, TooLateError, DemoError, httpx.HTTPError) as error:
        report.say(f"The demo stops here: {error}")
        report.summary()
        return 1
    except KeyboardInterrupt:
        report.say("Interrupted.")
        return 130
    return report.summary()
