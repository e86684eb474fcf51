"""From the options of a request or a command to a plan."""

from __future__ import annotations

from pathlib import Path

from code_service.automation.planning.create import CreateOptions, plan_create
from code_service.automation.planning.model import PlannedRow
from code_service.automation.planning.rename import RenameOptions, plan_list, plan_pairs, plan_rename
from code_service.automation.planning.update import UpdateOptions, plan_update
from code_service.automation.schemas import CreateCodesIn, RenameCodesIn, UpdateDiscountIn
from code_service.fienta.port import Discount

__all__ = ["create_options", "plan_create", "plan_update", "rename_plan", "update_options"]


def create_options(given: CreateCodesIn) -> CreateOptions:
    return CreateOptions(
        discount=_discount(given),
        limit_per_order=given.limit_per_order,
        limit_per_ticket=given.limit_per_ticket,
        title=given.title,
        code_column=given.code_column,
        skip_rows=given.skip_rows,
        limit=given.limit,
    )


def update_options(given: UpdateDiscountIn) -> UpdateOptions:
    return UpdateOptions(
        discount=_discount(given),
        limit_per_order=given.limit_per_order,
        limit_per_ticket=given.limit_per_ticket,
        only_limits=given.only_update_limit,
        code_column=given.code_column,
        skip_rows=given.skip_rows,
        limit=given.limit,
    )


def _discount(given: CreateCodesIn | UpdateDiscountIn) -> Discount | None:
    """0 is a discount; only None is none."""
    if given.discount_percent is not None:
        return Discount(percent=given.discount_percent)
    if given.discount_amount_minor is not None:
        return Discount(amount_minor=given.discount_amount_minor)
    return None


def rename_plan(given: RenameCodesIn, source: str, path: Path) -> list[PlannedRow]:
    """`source` is `file` (with a header), `list` (plain) or `pairs`."""
    if source == "pairs":
        return plan_pairs(path, limit=given.rename_limit)
    is_list = source == "list"
    options = RenameOptions(
        prefix=given.rename_prefix or "",
        pad_length=given.rename_pad_length,
        start=given.rename_start,
        limit=given.rename_limit,
        code_column=given.list_column if is_list else given.code_column,
        created_column=given.created_column,
        created_at_includes=given.created_at_includes,
        skip_rows=given.list_skip if is_list else given.skip_rows,
        regex=given.code_regex,
        starts_with=given.list_starts_with if is_list else None,
        skip_already_prefixed=given.skip_already_prefixed,
    )
    if is_list:
        return plan_list(path, options, delimiter=given.list_delimiter)
    return plan_rename(path, options)
