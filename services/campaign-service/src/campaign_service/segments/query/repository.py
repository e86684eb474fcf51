"""From a segment's rules to SQL: no text of a rule is ever part of the statement, only of its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, assert_never
from uuid import UUID

from campaign_service.campaigns.audience.repository import Selection, tag_conditions
from campaign_service.contacts.definitions.values import FieldValueError
from campaign_service.contacts.definitions.values import Rule as FieldRule
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
from campaign_service.segments.tagged import repository as tagged
from shared.database import Tx

_EVENT = """EXISTS (SELECT 1 FROM message_event e WHERE e.tenant_id = $1 AND e.contact_id = c.id
    AND e.type = {type}::text AND e.occurred_at >= {since}::timestamptz
    AND (e.type NOT IN ('opened', 'clicked') OR e.verdict = 'human'))"""

_COMPARED = ("is", "is_not", "greater", "less")
_PARTS = ("contains", "starts_with")
_DAY = r"'^\d{4}-\d{2}-\d{2}'"
_NUMBER = r"'^[+-]?\d{1,15}(\.\d{1,15})?$'"


class Compiled:
    """A condition on contact `c`, with `$1` the tenant.

    `params` begin with the tenant's id; as part of another statement they are appended to those it has.
    `fields` are the defined custom fields. Raises FieldValueError for a value that such a field never has.
    """

    def __init__(
        self,
        params: list[Any],
        rule: Rule,
        tags: Mapping[str, UUID],
        fields: Mapping[str, FieldRule],
        now: datetime,
    ) -> None:
        self.params = params
        self.tags = tags
        self._fields = fields
        self._now = now
        self.only_tags = tagged.only_tags(rule)
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
            name: tuple(self.tags[slug] for slug in getattr(rule, name))
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
        text = f"(c.custom_fields ->> {key}::text)"
        kind = self._kind(rule)
        if kind == "text":
            return self._text(text, rule)
        if kind == "date":
            return self._compared(f'(substring({text} FROM {_DAY}) COLLATE "C")', "text", rule)
        number = f"jsonb_typeof(c.custom_fields -> {key}::text) = 'number'"
        if rule.custom in self._fields:
            # What was there before the definition may be the text of a number.
            number = f"({number} OR {text} ~ {_NUMBER})"
        return self._compared(f"(CASE WHEN {number} THEN {text}::float8 END)", "float8", rule)

    def _kind(self, rule: OfCustom) -> str:
        """How a rule compares: as `text`, `number` or `date`."""
        field = self._fields.get(rule.custom)
        is_ordered = rule.op in ("greater", "less")
        if field is None:
            return ("date" if isinstance(rule.value, str) else "number") if is_ordered else "text"
        has_order = field.type in ("number", "date")
        if (is_ordered and not has_order) or (rule.op in _PARTS and field.type not in ("text", "choice")):
            raise FieldValueError(f"is of type {field.type}, which has no {rule.op}")
        return field.type if has_order and rule.op in _COMPARED else "text"

    def _compared(self, column: str, cast: str, rule: OfCustom) -> str:
        field = self._fields.get(rule.custom)
        value: Any = rule.value
        if field is not None:
            value = [field.read(v) for v in value] if isinstance(value, list) else field.read(value)
        given = self.add(value)
        if rule.op in ("greater", "less"):
            return f"({column} {'>' if rule.op == 'greater' else '<'} {given}::{cast})"
        among = f"ANY({given}::{cast}[])" if isinstance(value, list) else f"{given}::{cast}"
        return f"(({column} = {among}) IS {'' if rule.op == 'is' else 'NOT '}TRUE)"

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
    if compiled.only_tags is not None:
        return await tagged.count(tx, compiled.params[0], compiled.only_tags, compiled.tags)
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
