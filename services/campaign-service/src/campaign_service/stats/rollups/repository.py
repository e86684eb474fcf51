"""SQL of the roll-ups. Triggers add rows of changes (migration 0085); a number is the sum of its rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.database import Tx

# A rate is that of the last seconds: until then the moment is kept apart.
_RECENT = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Rollup:
    """`group` names whose rows are put together at once; `recount` is what the sums must be."""

    table: str
    group: tuple[str, ...]
    keys: tuple[str, ...]
    sums: tuple[str, ...]
    recount: str


def _simple(table: str, counted: str, *keys: str, of: str = "") -> Rollup:
    """One that counts rows by columns of theirs; `of` is what is selected for those that are no columns."""
    chosen = of or ", ".join(keys)
    recount = f"SELECT tenant_id, {chosen}, count(*) AS n FROM {counted} GROUP BY tenant_id, {chosen}"
    group = ("tenant_id", "tag_id") if "tag_id" in keys else ("tenant_id",)
    return Rollup(table, group, ("tenant_id", *keys), ("n",), recount)


CONTACTS = _simple("contact_figure", "contact", "status", "validation_status", "language", "source_id")
TAGS = _simple("tag_figure", "contact_tag", "tag_id")
SUPPRESSIONS = _simple(
    "suppression_figure", "suppression", "expires_on", of="(expires_at AT TIME ZONE 'UTC')::date"
)
ISSUES = _simple("issue_figure", "delivery_issue", "source", "kind", "reason")
RECIPIENTS = Rollup(
    "recipient_figure",
    ("tenant_id", "campaign_id"),
    ("tenant_id", "campaign_id", "variant", "state", "accepted_at"),
    ("n", "accepted", "bounced", "opened", "clicked", "unsubscribed"),
    """SELECT tenant_id, campaign_id, variant, state, NULL::timestamptz, count(*), count(accepted_at),
              count(bounced_at), count(first_opened_at), count(first_clicked_at), count(unsubscribed_at)
       FROM campaign_recipient GROUP BY tenant_id, campaign_id, variant, state""",
)
ROLLUPS = (CONTACTS, TAGS, SUPPRESSIONS, ISSUES, RECIPIENTS)


def _sums(rollup: Rollup) -> str:
    return ", ".join(f"sum({name})" for name in rollup.sums)


def _without_moment(rollup: Rollup) -> tuple[str, str]:
    """What is selected for the keys, and by what rows are grouped, when moments no longer matter."""
    keys = ("NULL::timestamptz" if key == "accepted_at" else key for key in rollup.keys)
    return ", ".join(keys), ", ".join(key for key in rollup.keys if key != "accepted_at")


def _any_left(rollup: Rollup) -> str:
    return "(" + " OR ".join(f"sum({name}) <> 0" for name in rollup.sums) + ")"


def _columns(rollup: Rollup) -> str:
    return ", ".join((*rollup.keys, *rollup.sums))


async def fold(tx: Tx, rollup: Rollup, now: datetime) -> int:
    """Put the rows of each key together, of all tenants; how many those were, 0 while another does it."""
    if not await tx.fetchval("SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))", rollup.table):
        return 0
    group = ", ".join(rollup.group)
    old = (
        "(accepted_at IS NULL OR accepted_at < $1)"
        if "accepted_at" in rollup.keys
        else "$1::timestamptz IS NOT NULL"
    )
    keys, by = _without_moment(rollup)
    number: int = await tx.fetchval(
        f"""WITH gone AS (
              DELETE FROM {rollup.table}
              WHERE ({group}) IN (SELECT {group} FROM {rollup.table} WHERE is_new AND {old}) AND {old}
              RETURNING *),
            made AS (
              INSERT INTO {rollup.table} ({_columns(rollup)}, is_new)
              SELECT {keys}, {_sums(rollup)}, false FROM gone GROUP BY {by} HAVING {_any_left(rollup)})
            SELECT count(*) FROM gone""",
        now - _RECENT,
    )
    return number


async def rebuild(tx: Tx, rollup: Rollup) -> int:
    """Count everything of all tenants again and add what a number is wrong by; how many were wrong.

    It is one statement and so sees one moment: it may run while others write, and needs no lock.
    """
    await tx.execute("SET LOCAL statement_timeout = 0")
    keys, by = _without_moment(rollup)
    return await tx.affected(
        f"""WITH counted ({_columns(rollup)}) AS ({rollup.recount})
            INSERT INTO {rollup.table} ({_columns(rollup)})
            SELECT {keys}, {_sums(rollup)} FROM (
              SELECT {_columns(rollup)} FROM counted
              UNION ALL
              SELECT {", ".join((*rollup.keys, *(f"-{name}" for name in rollup.sums)))} FROM {rollup.table}) d
            GROUP BY {by} HAVING {_any_left(rollup)}"""
    )
