"""Shapes of automation jobs in requests and answers.

A body comes as JSON, with files named by a path below the tenant's own folder, or as a form, with the files
themselves.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints, model_validator

from code_service.automation.planning.model import RowState
from code_service.codes.schemas import Body

Path = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Word = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")
]
Event = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,12}$")]
Column = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
Percent = Annotated[Decimal, Field(ge=0, le=100, max_digits=5, decimal_places=2)]
Cents = Annotated[int, Field(ge=0, le=100_000_000)]
NoLimitIsZero = Annotated[int, Field(ge=0, le=1_000_000)]
Rows = Annotated[int, Field(ge=0, le=1_000_000)]
Prefix = Annotated[
    str, StringConstraints(strip_whitespace=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,59}$")
]


class ShopJobIn(Body):
    """What all jobs at the ticket shop have in common.

    Without `event_id` the event of the account's settings is meant. A dry run changes nothing.
    """

    dry_run: bool = True
    headless: bool = True
    event_id: Event | None = None
    login_timeout_ms: Annotated[int, Field(ge=1_000, le=600_000)] | None = None
    csv_path: Path | None = None
    code_column: Column | None = None
    skip_rows: Rows = 0


class CreateCodesIn(ShopJobIn):
    """The file's columns code, discount_percent, order_limit, ticket_limit and title (or studio) come first;
    the values here are for rows that have none. A limit of 0 is no limit.
    """

    discount_percent: Percent | None = None
    discount_amount_minor: Annotated[Cents | None, Field(description="Instead of a percentage, in cents")] = (
        None
    )
    limit_per_order: NoLimitIsZero = 1
    limit_per_ticket: NoLimitIsZero = 1
    title: Word = ""
    limit: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _one_discount(self) -> Self:
        if self.discount_percent is not None and self.discount_amount_minor is not None:
            raise ValueError("give a percentage or an amount, not both")
        return self


class RenameCodesIn(ShopJobIn):
    """New names are `rename_prefix` and a number, for the codes of a file with a header (`csv_path`) or of a
    plain list (`list_csv`); or each row of `pairs_csv` names old and new.
    """

    rename_prefix: Prefix | None = None
    rename_pad_length: Annotated[int, Field(ge=1, le=12)] = 2
    rename_start: Annotated[int, Field(ge=0, le=1_000_000_000)] = 1
    rename_limit: Annotated[int, Field(ge=1)] | None = None
    created_at_includes: Word | None = None
    created_column: Column | None = None
    code_regex: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    skip_already_prefixed: bool = True
    report_only: bool = False
    pairs_csv: Path | None = None
    list_csv: Path | None = None
    list_delimiter: Annotated[str, StringConstraints(min_length=1, max_length=1)] | None = None
    list_column: Column | None = None
    list_starts_with: Word | None = None
    list_skip: Rows = 0


class UpdateDiscountIn(ShopJobIn):
    """The values here hold for all codes of the file; without any, the file's own columns say what to change.

    0 percent is a discount like another. A limit of 0 takes the limit away; what is left out stays.
    """

    discount_percent: Percent | None = None
    discount_amount_minor: Cents | None = None
    limit_per_order: NoLimitIsZero | None = None
    limit_per_ticket: NoLimitIsZero | None = None
    only_update_limit: bool = False
    limit: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _one_discount(self) -> Self:
        if self.discount_percent is not None and self.discount_amount_minor is not None:
            raise ValueError("give a percentage or an amount, not both")
        return self


class CsvDiffIn(Body):
    """Two exports of codes."""

    before_path: Path | None = None
    after_path: Path | None = None
    code_column: Column | None = None


class ConvertIn(Body):
    """A workbook; without `sheet` its first one."""

    xlsx_path: Path | None = None
    sheet: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = None
    delimiter: Literal[",", ";"] = ","


class JobAccepted(BaseModel):
    """`rows` were planned; `to_do` of them need the shop."""

    job_id: UUID
    type: str
    status: str
    dry_run: bool | None = None
    rows: int | None = None
    to_do: int | None = None


class StepOut(BaseModel):
    """One row of a job: its line in the file, what is wanted, how it ended."""

    line: int
    code: str
    new_code: str | None
    wanted: dict[str, Any]
    state: RowState
    tries: int
    reason: str | None
    changed_at: datetime
