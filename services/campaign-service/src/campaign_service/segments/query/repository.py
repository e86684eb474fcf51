"""From a segment's rules to SQL: no text of a rule is ever part of the statement, only of its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, assert_never
from uuid import UUID

from campaign_service.campaigns.audience.repository import Selection, tag_conditions
from campaign_service.segments.rules import (
    AllOf,
    AnyOf,
    Between,
    Happened,
    Not,
    OfCustom,
    OfField,
    Rule,
    Tags,
)
from shared.database import Tx

_EVENT = """EXISTS (SELECT 1 FROM message_event e WHERE e.tenant_id = $1 AND e.contact_id = c.id
    AND e.type = {type}::text AND e.occurred_at >= {since}::timestamptz
    AND (e.type NOT IN ('opened', 'clicked') OR e.verdict = 'human'))"""


class Compiled:
    """A condition on contact `c`, with `$1` the tenant.

    `params` begin with the tenant's id; as part of another statement they are appended to those it has.
    """

    def __init__(self, params: list[Any], rule: Rule, tags: Mapping[str, UUID], now: datetime) -> None:
        self.params = params
        self._tags = tags
        self._now = now
        self.condition = self._rule(rule)

    def add(self, value: Any) -> str:
        """The placeholder of another parameter."""
        self.params.append(value)
        return f"${len(self.params)}"

    def _rule(self, rule: Rule) -> str:
        match rule:
            case AllOf():
                return "(" + " AND ".join(map(self._rule, rule.all)) + ")"
            case AnyOf():
                return "(" + " OR ".join(map(self._rule, rule.any)) + ")"
            case Not():
                return f"(({self._rule(rule.not_)}) IS NOT TRUE)"
            case Tags():
                return self._tagged(rule)
            case OfField():
                return self._text(f"c.{rule.field}", rule)
            case OfCustom():
                return self._custom(rule)
            case Happened():
                return self._happened(rule)
            case Between():
                return self._between(rule)
            case _:
                assert_never(rule)

    def _tagged(self, rule: Tags) -> str:
        ids = {
            name: tuple(self._tags[slug] for slug in getattr(rule, name))
            for name in ("tags_all", "tags_any", "exclude_tags")
        }
        selection = Selection(ids["tags_all"], ids["tags_any"], ids["exclude_tags"])
        return f"(true{tag_conditions(selection, self.params)})"

    def _text(self, column: str, rule: OfField | OfCustom) -> str:
        if rule.op in ("is_set", "is_empty"):
            return f"(coalesce({column}, '') {'<>' if rule.op == 'is_set' else '='} '')"
        value = rule.value if isinstance(rule.value, list) else _as_text(rule.value)
        given = self.add(value)
        if rule.op == "contains":
            return f"(strpos(lower({column}), lower({given}::text)) > 0)"
        if rule.op == "starts_with":
            return f"starts_with(lower({column}), lower({given}::text))"
        among = f"ANY({given}::text[])" if isinstance(value, list) else f"{given}::text"
        return f"(({column} = {among}) IS {'' if rule.op == 'is' else 'NOT '}TRUE)"

    def _custom(self, rule: OfCustom) -> str:
        key = self.add(rule.custom)
        if rule.op not in ("greater", "less"):
            return self._text(f"(c.custom_fields ->> {key}::text)", rule)
        number = f"""(CASE WHEN jsonb_typeof(c.custom_fields -> {key}::text) = 'number'
            THEN (c.custom_fields ->> {key}::text)::double precision END)"""
        return f"({number} {'>' if rule.op == 'greater' else '<'} {self.add(rule.value)}::double precision)"

    def _happened(self, rule: Happened) -> str:
        since = self.add(self._now - timedelta(days=rule.within_days))
        found = _EVENT.format(type=self.add(rule.event), since=since)
        return found if rule.happened else f"NOT {found}"

    def _between(self, rule: Between) -> str:
        parts = []
        if rule.after is not None:
            parts.append(f"c.{rule.date} >= {self.add(rule.after)}::timestamptz")
        if rule.before is not None:
            parts.append(f"c.{rule.date} < {self.add(rule.before)}::timestamptz")
        if rule.within_days is not None:
            since = self.add(self._now - timedelta(days=rule.within_days))
            parts.append(f"c.{rule.date} >= {since}::timestamptz")
        return "(" + " AND ".join(parts) + ")"


def _as_text(value: Any) -> str:
    """A value as `->>` writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value)


async def count(tx: Tx, compiled: Compiled) -> int:
    """How many contacts the rules choose."""
    sql = f"SELECT count(*) FROM contact c WHERE c.tenant_id = $1 AND {compiled.condition}"
    return int(await tx.fetchval(sql, *compiled.params))


async def ids(tx: Tx, compiled: Compiled, after: UUID | None, limit: int) -> list[UUID]:
    """Those chosen, in the order of ids, from the one after `after`."""
    before = compiled.add(after)
    rows = await tx.fetch(
        f"""SELECT c.id FROM contact c
            WHERE c.tenant_id = $1 AND ({before}::uuid IS NULL OR c.id > {before}) AND {compiled.condition}
            ORDER BY c.id LIMIT {compiled.add(limit)}""",
        *compiled.params,
    )
    return [row["id"] for row in rows]
