"""Running a command: the plans and steps of the jobs, without a database."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol, TextIO

from code_service.automation import options as plans
from code_service.automation import reports
from code_service.automation.command import arguments
from code_service.automation.command.journal import FileJournal
from code_service.automation.planning.diff import diff_files
from code_service.automation.planning.model import Action, PlanError, PlannedRow
from code_service.automation.repository import Step
from code_service.automation.runner import Tally, run_rows
from code_service.automation.schemas import CreateCodesIn, RenameCodesIn, UpdateDiscountIn
from code_service.automation.service import ShopJob
from code_service.automation.steps import Outcome, perform
from code_service.automation.table_jobs import write_csv
from code_service.batch_jobs.files import safe_name
from code_service.exchange.table import UnreadableFileError
from code_service.fienta.memory import MemoryDiscounts
from code_service.fienta.port import (
    FientaDiscounts,
    FientaError,
    FientaLoginFailed,
    FientaNotConfigured,
    KeepArtifact,
)
from code_service.fienta.service import Credentials
from code_service.fienta.session import browse
from code_service.settings import Settings
from shared.config import load_settings

_ACTIONS: dict[str, Action] = {
    "create-codes": "create",
    "rename-codes": "rename",
    "update-discount": "update",
}


class Browse(Protocol):
    """See `fienta.session.browse`."""

    def __call__(
        self,
        settings: Settings,
        credentials: Credentials,
        event: str | None,
        *,
        check: Callable[[], None],
        keep: KeepArtifact | None,
        headless: bool,
    ) -> AbstractAsyncContextManager[FientaDiscounts]: ...


class StoppedError(Exception):
    """The user interrupted the command."""


def main(argv: Sequence[str], *, open_shop: Browse = browse) -> int:
    """Run one command; its exit status (see `arguments.EPILOG`)."""
    given, options = arguments.read(argv)
    try:
        if given.command == "csv-diff":
            return _diff(given)
        if given.command == "xlsx-to-csv":
            return _convert(given)
        return asyncio.run(_ShopCommand(given, options, open_shop).run())
    except (PlanError, UnreadableFileError, OSError) as error:
        return _end(arguments.NO_PLAN, str(error))
    except (FientaNotConfigured, FientaLoginFailed) as error:
        return _end(arguments.NO_ACCESS, str(error))
    except FientaError as error:
        return _end(arguments.SHOP_AWAY, f"{error}; the same command goes on where this one stopped")
    except StoppedError:
        return _end(arguments.INTERRUPTED, "interrupted; the same command goes on where this one stopped")


def _check_files(*paths: Path) -> None:
    for path in paths:
        if path.is_dir() or not path.exists():
            raise PlanError(f"there is no file {path}")


def _end(status: int, why: str) -> int:
    _say(why)
    return status


def _say(line: str, to: TextIO | None = None) -> None:
    (to or sys.stderr).write(f"{line}\n")


def _diff(given: argparse.Namespace) -> int:
    _check_files(given.before, given.after)
    report = diff_files(given.before, given.after, code_column=given.code_column)
    _write(given.out, reports.diff(report))
    _say(", ".join(f"{number} {name}" for name, number in report.counts.items()))
    return arguments.DONE


def _write(path: Path | None, data: bytes) -> None:
    if path is None:
        sys.stdout.write(data.decode("utf-8-sig"))
    else:
        path.write_bytes(data)


def _convert(given: argparse.Namespace) -> int:
    _check_files(given.file)
    if given.out is None:
        rows = write_csv(given.file, sys.stdout.buffer, sheet=given.sheet, delimiter=given.delimiter)
    else:
        with given.out.open("wb") as target:
            rows = write_csv(given.file, target, sheet=given.sheet, delimiter=given.delimiter)
    _say(f"{rows} rows")
    return arguments.DONE


def plan_of(given: argparse.Namespace, options: ShopJob) -> list[PlannedRow]:
    """The rows of a command. Raises PlanError."""
    files = {name: getattr(given, name, None) for name in ("file", "pairs", "list")}
    named = [name for name, path in files.items() if path is not None]
    if len(named) != 1:
        raise PlanError("one file is needed: --csv" + (", --pairs-csv or --list-csv" * ("pairs" in given)))
    path = files[named[0]]
    assert path is not None, "it was named"
    _check_files(path)
    if isinstance(options, RenameCodesIn):
        return plans.rename_plan(options, named[0], path)
    if isinstance(options, UpdateDiscountIn):
        return plans.plan_update(path, plans.update_options(options))
    assert isinstance(options, CreateCodesIn), "these are all"
    return plans.plan_create(path, plans.create_options(options))


class _ShopCommand:
    """One command at the shop."""

    def __init__(self, given: argparse.Namespace, options: ShopJob, open_shop: Browse) -> None:
        self._given = given
        self._options = options
        self._open_shop = open_shop
        self._action = _ACTIONS[given.command]
        self._out: Path = given.out
        self._report_only = isinstance(options, RenameCodesIn) and options.report_only
        self._credentials: Credentials | None = None
        self._is_stopped = False

    async def run(self) -> int:
        rows = plan_of(self._given, self._options)
        is_real = not (self._options.dry_run or self._report_only)
        if is_real or (_has_access() and not self._report_only):
            self._credentials = _credentials(self._options.event_id, may_ask=is_real)
        self._out.mkdir(parents=True, exist_ok=True)
        if self._action == "rename":
            (self._out / reports.PAIRS).write_bytes(reports.pairs(rows))
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._stop)
        if is_real:
            return await self._do(FileJournal(self._out, self._action, rows, restart=self._given.restart))
        return await self._rehearse([Step(place, row, 0) for place, row in enumerate(rows, start=1)])

    def _stop(self) -> None:
        self._is_stopped = True

    def _check(self) -> None:
        if self._is_stopped:
            raise StoppedError

    async def _do(self, journal: FileJournal) -> int:
        if journal.is_resumed:
            _say(f"going on with an earlier run (see {self._out}); --restart begins anew")
        if not any(step.is_open for step in journal.steps):
            return self._finish(journal, Tally())
        try:
            async with self._open() as fienta:
                tally = await run_rows(
                    self._action, journal.steps[:], fienta, journal, check=self._check, on_end=self._tell
                )
        finally:
            self._save(reports.RESULTS, [(step.row, None) for step in journal.steps])
        if tally.unavailable is not None:
            raise tally.unavailable
        return self._finish(journal, tally)

    def _finish(self, journal: FileJournal, tally: Tally) -> int:
        result = reports.summary(self._action, journal.steps, tally.outcomes, dry_run=False)
        _say("{rows} rows: {done} done, {skipped} skipped, {failed} failed".format(**result), sys.stdout)
        return arguments.SOME_FAILED if result["failed"] else arguments.DONE

    async def _rehearse(self, steps: list[Step]) -> int:
        outcomes: dict[int, Outcome] = {}
        if self._credentials is None:
            _say("dry run: the plan is not compared with the shop")
        else:
            async with self._open() as fienta:
                copy = MemoryDiscounts(await fienta.list_codes())
            for step in steps:
                if step.row.state == "pending":
                    outcomes[step.place] = await perform(self._action, step.row, copy)
        self._save(reports.PLAN, [(step.row, outcomes.get(step.place)) for step in steps], rehearsed=True)
        result = reports.summary(self._action, steps, outcomes, dry_run=True)
        for change in result["changes"]:
            _say(_described(change), sys.stdout)
        for failure in result["failures"]:
            _say("line {line}: {code}: {reason}".format(**failure))
        told = "dry run of {rows} rows: {to_do} would be done, {skipped} skipped, {failed} refused"
        _say(told.format(**result) + f"; see {self._out / reports.PLAN}", sys.stdout)
        return arguments.SOME_FAILED if result["failed"] else arguments.DONE

    async def _tell(self, step: Step, outcome: Outcome) -> None:
        name = f"{step.row.code} → {step.row.new_code}" if step.row.new_code else step.row.code
        why = f": {outcome.reason}" if outcome.reason else ""
        _say(f"line {step.row.line}: {name} {outcome.state}{why}")

    def _save(
        self, name: str, rows: Sequence[tuple[PlannedRow, Outcome | None]], *, rehearsed: bool = False
    ) -> None:
        (self._out / name).write_bytes(reports.table(rows, rehearsed=rehearsed))

    def _open(self) -> AbstractAsyncContextManager[FientaDiscounts]:
        assert self._credentials is not None, "they were taken before the work began"
        settings = load_settings(Settings)
        if self._options.login_timeout_ms is not None:
            settings = settings.model_copy(
                update={"fienta_login_seconds": self._options.login_timeout_ms / 1000}
            )
        return self._open_shop(
            settings,
            self._credentials,
            None,
            check=self._check,
            keep=self._keep,
            headless=self._options.headless,
        )

    async def _keep(self, name: str, data: bytes) -> None:
        (self._out / safe_name(name, "evidence")).write_bytes(data)


def _described(change: dict[str, Any]) -> str:
    values = {name: value for name, value in change.items() if name not in ("line", "code", "new_code")}
    wanted = ", ".join(f"{name} {value}" for name, value in values.items())
    return " ".join(filter(None, (change["code"], change["new_code"] and f"→ {change['new_code']}", wanted)))


def _has_access() -> bool:
    return all(os.environ.get(name) for name in ("FIENTA_EMAIL", "FIENTA_PASSWORD"))


def _credentials(event: str | None, *, may_ask: bool) -> Credentials:
    """From the environment, or asked for at a terminal. Raises FientaNotConfigured."""
    event = event or os.environ.get("FIENTA_EVENT_ID")
    if not event:
        raise FientaNotConfigured("say which event: --event or FIENTA_EVENT_ID")
    email, password = os.environ.get("FIENTA_EMAIL"), os.environ.get("FIENTA_PASSWORD")
    if may_ask and sys.stdin.isatty():
        email = email or input("E-mail address at Fienta: ")
        password = password or getpass.getpass("Password: ")
    if not email or not password:
        raise FientaNotConfigured("set FIENTA_EMAIL and FIENTA_PASSWORD")
    return Credentials(email, password, event)
