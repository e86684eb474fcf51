"""The command line: what is asked for, and what the exit code says."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn, get_args

from campaign_service.netlife import output
from campaign_service.netlife.client import NetlifeAPIClient
from campaign_service.netlife.collector import collect
from campaign_service.netlife.config import ALLOWED_PORTALS, PERFORMANCE_CONFIG, AccessKeyPath
from campaign_service.netlife.contacts import to_csv
from campaign_service.netlife.errors import PortalContractError, PortalError
from campaign_service.netlife.model import Audience, Collection, CollectOptions, ContactFilter
from shared.utils import logger

OK = 0
UPSTREAM = 20
_EPILOG = """\
The portal's credentials are read from NETLIFE_USERNAME and NETLIFE_PASSWORD, never from the command line.

exit codes:
   0  everything was collected and written
  10  contract: wrong arguments or settings, or a portal that does not answer as agreed
  20  upstream: the portal refused, failed or could not be reached, for the whole or for a part
      (then nothing is written, unless --allow-partial)
  30  the result could not be written
"""


class _Parser(argparse.ArgumentParser):
    """Wrong arguments are a broken contract like any other."""

    def error(self, message: str) -> NoReturn:
        raise PortalContractError(message)


def parser() -> argparse.ArgumentParser:
    commands = _Parser(
        prog="python -m campaign_service.netlife",
        description="Collect contacts from a photo portal.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = commands.add_subparsers(required=True, metavar="collect")
    add = actions.add_parser(
        "collect",
        help="write a portal's contacts as CSV",
        epilog=_EPILOG,
        formatter_class=commands.formatter_class,
    ).add_argument
    add("--portal", required=True, help=f"one of {', '.join(ALLOWED_PORTALS)}, or any with --base-url")
    add("--base-url", help="address of its API, such as https://photos.example.com/api/v1")
    add("--out", required=True, help="a file, or s3://bucket/key")
    add("--audience", choices=get_args(Audience), default="both")
    add("--contact-filter", choices=get_args(ContactFilter), default="any", help="what a contact must have")
    add("--registered-only", action="store_true", help="leave out those without a registered user")
    add("--images-required", action=argparse.BooleanOptionalAction, default=True)
    add("--job", action="append", default=[], metavar="UUID", help="only this job; may be repeated")
    add("--allow-partial", action="store_true", help="write what could be read, though something could not")
    add("--access-key-path", choices=get_args(AccessKeyPath), default="accesskeys")
    add("--max-concurrent-jobs", type=int, default=PERFORMANCE_CONFIG.max_concurrent_jobs, metavar="N")
    add("--timeout", type=float, default=PERFORMANCE_CONFIG.timeout, help="seconds a request may take")
    add("--ca-file", type=Path, help="certificates to trust besides the system's")
    return commands


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """The exit code; everything said on the way is a log line without anybody's data."""
    try:
        return asyncio.run(_collect(parser().parse_args(arguments), environment))
    except PortalError as error:
        logger.error("nothing was collected", reason=str(error), exit_code=error.exit_code)
        sys.stderr.write(f"{error}\n")
        return error.exit_code


async def _collect(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    target = output.parse_output(options.out)
    target.check()
    async with _client(options, environment) as client:
        collection = await collect(client, _wanted(options))
        client.log_final_stats()
    if collection.is_complete or options.allow_partial:
        await output.write(target, to_csv(collection.contacts).encode())
    _report(collection, options)
    return OK if collection.is_complete else UPSTREAM


def _report(collection: Collection, options: argparse.Namespace) -> None:
    is_written = collection.is_complete or options.allow_partial
    logger.info(
        "collection ended",
        rows=len(collection.contacts) if is_written else 0,
        skipped=dict(collection.skipped),
        failures=len(collection.failures),
    )
    if not collection.is_complete:
        parts = "; ".join(collection.failures[:5])
        kept = "the rest was written" if is_written else "nothing was written"
        sys.stderr.write(f"{len(collection.failures)} could not be read, {kept}: {parts}\n")


def _wanted(options: argparse.Namespace) -> CollectOptions:
    return CollectOptions(
        audience=options.audience,
        contact_filter=options.contact_filter,
        registered_only=options.registered_only,
        images_required=options.images_required,
        jobs=frozenset(options.job),
    )


def _client(options: argparse.Namespace, environment: Mapping[str, str]) -> NetlifeAPIClient:
    """Raises PortalContractError for a portal that is not known, wrong figures or missing credentials."""
    base_url = options.base_url or ALLOWED_PORTALS.get(options.portal)
    if base_url is None:
        raise PortalContractError("--portal is not a known portal; give its --base-url")
    if options.max_concurrent_jobs < 1 or options.timeout <= 0:
        raise PortalContractError("--max-concurrent-jobs and --timeout must be above 0")
    if options.ca_file is not None and not options.ca_file.is_file():
        raise PortalContractError("--ca-file is not there")
    names = ("NETLIFE_USERNAME", "NETLIFE_PASSWORD")
    if missing := [name for name in names if not environment.get(name)]:
        raise PortalContractError(f"{' and '.join(missing)} must be set")
    limits: dict[str, Any] = {
        "max_concurrent_jobs": options.max_concurrent_jobs,
        "timeout": options.timeout,
        "slow_timeout": max(options.timeout, PERFORMANCE_CONFIG.slow_timeout),
    }
    return NetlifeAPIClient(
        options.portal,
        base_url,
        *(environment[name] for name in names),
        performance=replace(PERFORMANCE_CONFIG, **limits),
        access_key_path=options.access_key_path,
        ca_file=options.ca_file,
    )
