"""Counting by tags alone: sets of ids from one index, without looking at a contact.

Beside one semi-join per tag this takes half the time or less where tags are on a great many contacts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from campaign_service.segments.rules import AllOf, Rule, Tags
from shared.database import Tx

_EVERYBODY = "SELECT coalesce(sum(n), 0)::bigint FROM contact_figure WHERE tenant_id = $1"


def only_tags(rule: Rule) -> list[Tags] | None:
    """The nodes of a rule that asks for tags alone and for all of them at once; None for any other."""
    if isinstance(rule, Tags):
        return [rule]
    if not isinstance(rule, AllOf):
        return None
    found: list[Tags] = []
    for part in rule.all:
        inner = only_tags(part)
        if inner is None:
            return None
        found += inner
    return found


async def count(tx: Tx, tenant_id: UUID, nodes: Sequence[Tags], tags: Mapping[str, UUID]) -> int:
    """How many contacts all the nodes choose; `tags` are ids by slug."""
    wanted: dict[tuple[str, ...], None] = {(slug,): None for node in nodes for slug in node.tags_all}
    wanted |= {tuple(node.tags_any): None for node in nodes if node.tags_any}
    excluded = dict.fromkeys(slug for node in nodes for slug in node.exclude_tags)
    params: list[Any] = [tenant_id]
    # INTERSECT and EXCEPT leave nobody twice; what stands alone has to see to it.
    is_alone = len(wanted) + bool(excluded) == 1
    chosen = " INTERSECT ".join(_having(slugs, tags, params, is_alone) for slugs in wanted)
    without = _having(excluded, tags, params, is_alone) if excluded else ""
    if chosen:
        sql = f"SELECT count(*) FROM ({chosen}{' EXCEPT ' if without else ''}{without}) s"
    else:
        sql = f"SELECT ({_EVERYBODY}){f' - (SELECT count(*) FROM ({without}) s)' if without else ''}"
    return int(await tx.fetchval(sql, *params))


def _having(slugs: Iterable[str], tags: Mapping[str, UUID], params: list[Any], is_alone: bool) -> str:
    """Contacts with any of the tags; of one tag they come out of the index in their order, each once."""
    ids = [tags[slug] for slug in slugs]
    params.append(ids if len(ids) > 1 else ids[0])
    given = f"ANY(${len(params)}::uuid[])" if len(ids) > 1 else f"${len(params)}::uuid"
    distinct = "DISTINCT " if is_alone and len(ids) > 1 else ""
    return f"(SELECT {distinct}contact_id FROM contact_tag WHERE tenant_id = $1 AND tag_id = {given})"
