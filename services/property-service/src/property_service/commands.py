"""`python -m property_service daily | test-email`: what cron and administrators call on the machine itself.

They work on the service's database, with its environment. Mails and jobs that they start are sent and run
by the service; they can be run while it is up or down, and any number of times.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import date
from typing import TextIO, get_args
from uuid import UUID

from property_service.admin import health, trial_mails
from property_service.admin.schemas import TemplateType
from property_service.app import NAME, create_app
from property_service.daily import repository, service
from property_service.daily.calendar import FIRST, LAST
from property_service.settings import Settings
from shared.config import load_settings
from shared.errors import ConfigurationError
from shared.utils.logging import configure_logging
from shared.utils.validation import is_email
from shared.web import Runtime

TEMPLATES: tuple[TemplateType, ...] = get_args(TemplateType)


def main(arguments: Sequence[str]) -> int:
    """Exit status: 0 when all went well, 1 when something did not, 2 for wrong arguments or settings."""
    options = _parser().parse_args(arguments)
    try:
        settings = load_settings(Settings)
    except ConfigurationError as error:
        _say(f"{NAME}: {error.message}", sys.stderr)
        return 2
    # The output is for people: what went well is said in the command's own words.
    level = "warning" if settings.log_level == "info" else settings.log_level
    configure_logging(level, service=NAME)
    run: Callable[[Runtime, argparse.Namespace], Awaitable[int]] = options.run
    return asyncio.run(_with_runtime(settings, lambda rt: run(rt, options)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m property_service")
    commands = parser.add_subparsers(required=True, metavar="command")
    daily = commands.add_parser("daily", help="pre-notices for tomorrow, reports for today, due retries")
    daily.add_argument("--date", type=_day, help="the day meant (default: what is due by now)")
    daily.add_argument("--tenant", type=UUID, help="of this tenant alone")
    daily.set_defaults(run=_daily)
    mail = commands.add_parser("test-email", help="send mails with invented content")
    mail.add_argument("--recipient", type=_address, required=True)
    mail.add_argument("--test", choices=[*TEMPLATES, "all"], default="all", help="which one (default: all)")
    mail.add_argument("--tenant", type=UUID, help="in this tenant's brand; needed when there are several")
    mail.set_defaults(run=_test_email)
    return parser


def _day(text: str) -> date:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is not a date such as 2027-02-28") from None
    if not FIRST <= found <= LAST:
        raise argparse.ArgumentTypeError(f"{text} is not between {FIRST} and {LAST}")
    return found


def _address(text: str) -> str:
    if not is_email(text):
        raise argparse.ArgumentTypeError(f"{text} is not an e-mail address")
    return text


async def _with_runtime(settings: Settings, work: Callable[[Runtime], Awaitable[int]]) -> int:
    async with _runtime(settings) as rt:
        return await work(rt)


@asynccontextmanager
async def _runtime(settings: Settings) -> AsyncIterator[Runtime]:
    """The parts of the service; it takes no requests and runs no jobs."""
    app = create_app(settings.model_copy(update={"service_role": "api"}))
    async with app.router.lifespan_context(app):
        yield app.state.runtime


async def _tenants(rt: Runtime, wanted: UUID | None) -> list[UUID]:
    if wanted is not None:
        return [wanted]
    async with rt.db.system_tx() as tx:
        return await repository.tenants(tx)


async def _daily(rt: Runtime, options: argparse.Namespace) -> int:
    if options.tenant is not None and options.tenant not in await _tenants(rt, None):
        _say(f"The tenant {options.tenant} has no clients to serve", sys.stderr)
        return 1
    status = 0
    for tenant_id in await _tenants(rt, options.tenant):
        try:
            done = await service.run_day(rt, tenant_id, options.date)
        except Exception as error:  # noqa: BLE001  # one tenant's trouble must not keep the others waiting
            _say(f"{tenant_id}: failed: {error}", sys.stderr)
            status = 1
        else:
            _say(
                f"{tenant_id}: {done.noticed} noticed, {done.started} started, {done.busy} busy, "
                f"{done.retried} retried"
            )
    return status


async def _test_email(rt: Runtime, options: argparse.Namespace) -> int:
    tenants = await _tenants(rt, options.tenant)
    if len(tenants) != 1:
        _say(f"There are {len(tenants)} tenants with clients: say which one by --tenant", sys.stderr)
        return 2
    wanted = TEMPLATES if options.test == "all" else (options.test,)
    server = await health.mail_server(rt)
    for template in wanted:
        async with rt.db.tenant_tx(tenants[0]) as tx:
            sent = await trial_mails.send(tx, rt, template, options.recipient, server)
        _say(sent.message)
    return 0 if server[0].status == "ok" else 1


def _say(line: str, out: TextIO | None = None) -> None:
    print(line, file=out or sys.stdout, flush=True)
