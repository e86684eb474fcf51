"""The flags of the commands. Each has its name of today and the one that scripts have always used."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from pydantic import BaseModel, ValidationError

from code_service.automation.schemas import CreateCodesIn, RenameCodesIn, UpdateDiscountIn

DONE, SOME_FAILED, USAGE, NO_PLAN, NO_ACCESS, SHOP_AWAY, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130

EPILOG = """\
Nothing changes at Fienta without `--dry-run false`. E-mail address and password are taken from
FIENTA_EMAIL and FIENTA_PASSWORD, or asked for; the event from --event or FIENTA_EVENT_ID. Results are
written to the folder --out.

exit status:
  0    all rows are done (or rehearsed)
  1    some rows could not be done: see results.csv
  2    the arguments are wrong
  3    the file cannot be read, or makes no plan
  4    e-mail address and password are missing or refused
  5    Fienta is out of order, or its pages have changed; the same command goes on where this one stopped
  130  interrupted; the same command goes on
"""
_TRUE, _FALSE = ("true", "yes", "1", "on"), ("false", "no", "0", "off")
_OPTIONS: dict[str, type[BaseModel]] = {
    "create-codes": CreateCodesIn,
    "rename-codes": RenameCodesIn,
    "update-discount": UpdateDiscountIn,
}


class _Secret(argparse.Action):
    """Refuses a credential as an argument, which every user of the machine could read. It is not repeated."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any, **__: Any) -> NoReturn:
        parser.error("credentials are not taken as arguments: set FIENTA_EMAIL and FIENTA_PASSWORD")


def _truth(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise argparse.ArgumentTypeError("true or false is wanted")


def parser() -> argparse.ArgumentParser:
    """All commands."""
    top = argparse.ArgumentParser(
        prog="python -m code_service.automation",
        description="Discount codes at Fienta, and files of them.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _refuse_secrets(top)
    commands = top.add_subparsers(dest="command", required=True, metavar="command")

    def command(name: str, text: str) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = commands.add_parser(
            name,
            help=text,
            description=text,
            epilog=EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        _refuse_secrets(made)
        return made

    _create(command("create-codes", "Make the codes of a file"))
    _rename(command("rename-codes", "Give codes other names"))
    _update(command("update-discount", "Change discount and limits of codes"))
    _diff(command("csv-diff", "Compare two exports of codes"))
    _convert(command("xlsx-to-csv", "Write a sheet of a workbook as CSV"))
    return top


def _refuse_secrets(to: argparse.ArgumentParser) -> None:
    to.add_argument("--email", "--password", action=_Secret, dest="secret", help=argparse.SUPPRESS)


def _switch(to: argparse.ArgumentParser, *names: str, off: str = "", text: str = "") -> None:
    """A flag that may stand alone or with true or false."""
    dest = names[0].removeprefix("--").replace("-", "_")
    to.add_argument(*names, dest=dest, nargs="?", const=True, type=_truth, metavar="true|false", help=text)
    if off:
        to.add_argument(off, dest=dest, action="store_false", default=None, help=argparse.SUPPRESS)


def _value(to: argparse.ArgumentParser, *names: str, dest: str = "", text: str = "") -> None:
    chosen = dest or names[0].removeprefix("--").replace("-", "_")
    to.add_argument(*names, dest=chosen, metavar=chosen.upper(), help=text)


def _shop(to: argparse.ArgumentParser) -> None:
    to.add_argument("--csv", dest="file", type=Path, metavar="FILE", help="CSV or XLSX with a header")
    _value(to, "--code-column", "--codeColumn", text="name, or number from 1")
    _value(to, "--skip-rows", "--skipRows", text="rows after the header to leave out")
    _switch(to, "--dry-run", "--dryRun", off="--no-dry-run", text="change nothing (the default)")
    _switch(to, "--headless", off="--no-headless", text="without a window (the default)")
    _value(to, "--login-timeout-ms", "--loginTimeoutMs")
    _value(to, "--event", "--event-id", dest="event_id", text="the event's number")
    to.add_argument("--out", type=Path, default=Path("automation-out"), help="folder of the results")
    to.add_argument("--restart", action="store_true", help="forget what an earlier run has done")


def _values(to: argparse.ArgumentParser) -> None:
    _value(to, "--discount-percent", "--percent", "--updateDiscountPercent", text="0 to 100")
    _value(to, "--limit-per-order", "--limitPerOrder", text="0: no limit")
    _value(to, "--limit-per-ticket", "--limitPerTicket", text="0: no limit")
    _value(to, "--limit", text="the most rows to do")


def _create(to: argparse.ArgumentParser) -> None:
    _shop(to)
    _values(to)
    _value(to, "--title", text="of codes whose row has none")


def _update(to: argparse.ArgumentParser) -> None:
    _shop(to)
    _values(to)
    _switch(to, "--only-update-limit", "--onlyUpdateLimit", text="leave the discount as it is")


def _rename(to: argparse.ArgumentParser) -> None:
    _shop(to)
    _value(to, "--rename-prefix", "--renamePrefix")
    _value(to, "--rename-pad-length", "--renamePadLength", text="digits at least (2)")
    _value(to, "--rename-start", "--renameStart", text="first number (1)")
    _value(to, "--rename-limit", "--renameLimit", text="the most codes to rename")
    _value(to, "--created-at-includes", "--createdAtIncludes", text="part of the cell in the created column")
    _value(to, "--created-column", "--createdColumn")
    _value(to, "--code-regex", "--codeRegex")
    _switch(to, "--skip-already-prefixed", "--skipAlreadyPrefixed", off="--no-skip-already-prefixed")
    to.add_argument("--pairs-csv", "--pairsCsv", dest="pairs", type=Path, help="rows old,new")
    to.add_argument("--list-csv", "--listCsv", dest="list", type=Path, help="a plain list of codes")
    _value(to, "--list-delimiter", "--listDelimiter")
    _value(to, "--list-column", "--listColumn")
    _value(to, "--list-starts-with", "--listStartsWith")
    _value(to, "--list-skip", "--listSkip")
    _switch(to, "--report-only", "--reportOnly", text="write pairs.csv and do nothing else")


def _diff(to: argparse.ArgumentParser) -> None:
    to.add_argument("--before", "--diff-old", "--diffOld", type=Path, required=True)
    to.add_argument("--after", "--diff-new", "--diffNew", type=Path, required=True)
    _value(to, "--code-column", "--codeColumn", text="name, or number from 1")
    to.add_argument("--out", type=Path, help="where to write the report; standard output without")


def _convert(to: argparse.ArgumentParser) -> None:
    to.add_argument("--xlsx", "--csv", dest="file", type=Path, required=True, metavar="FILE")
    to.add_argument("--sheet")
    to.add_argument("--delimiter", choices=(",", ";"), default=",")
    to.add_argument("--out", type=Path, help="where to write the CSV; standard output without")


def read(argv: Sequence[str]) -> tuple[argparse.Namespace, Any]:
    """The arguments, and for commands at the shop their options. Ends the program (2) for wrong ones."""
    top = parser()
    found = top.parse_args(list(argv))
    model = _OPTIONS.get(found.command)
    if model is None:
        return found, None
    given = {name: value for name, value in vars(found).items() if name in model.model_fields}
    try:
        return found, model.model_validate(
            {name: value for name, value in given.items() if value is not None}
        )
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        top.exit(USAGE, f"{top.prog}: {wrong}\n")
