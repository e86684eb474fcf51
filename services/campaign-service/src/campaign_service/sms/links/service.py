"""Short links for a campaign's texts: asked for before the first text goes, and clicks counted."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from campaign_service.campaigns.holds import repository as holds
from campaign_service.sms.links import repository
from campaign_service.sms.links.rewriting import SAMPLE_ID, Shorten, is_shortened, urls_in
from campaign_service.stats import repository as stats
from campaign_service.stats.deltas import Deltas
from shared.config import get_service_url
from shared.database import Tx
from shared.errors import AppError
from shared.events import Consumer, MessageContext
from shared.events.catalog import LinkClicked
from shared.utils import logger
from shared.web import Runtime

Campaign = dict[str, Any]
Short = Mapping[int, Mapping[str, str]]
_AT_ONCE = 200


def _base(rt: Runtime) -> str:
    return f"{rt.config.public_url.rstrip('/')}/l/"


def sample(rt: Runtime) -> Shorten:
    """An address as long as the short ones will be, for what will get one."""
    base = _base(rt)
    return lambda url: base + SAMPLE_ID if is_shortened(url, base) else None


async def freeze(tx: Tx, rt: Runtime, campaign: Campaign, sources: Mapping[int, list[str]]) -> None:
    """Write down the links of each variant's sources."""
    links = []
    for variant, texts in sources.items():
        urls = dict.fromkeys(url for text in texts for url in urls_in(text, _base(rt)))
        links += [(variant, index, url) for index, url in enumerate(urls)]
    if links:
        await repository.add(tx, campaign["tenant_id"], campaign["id"], links)


async def short(rt: Runtime, campaign: Campaign) -> Short | None:
    """Variant to address to short address; None while code-service cannot be asked, which the campaign says.

    Each has a reference of its own, so that asking again after a crash makes no second one.
    """
    tenant_id, campaign_id = campaign["tenant_id"], campaign["id"]
    async with rt.db.tenant_tx(tenant_id, read_only=True) as tx:
        rows = await repository.of(tx, tenant_id, campaign_id)
    missing = [row for row in rows if row["short_url"] is None]
    if missing:
        try:
            made = await _ask(rt, campaign, missing)
        except AppError as error:
            logger.warning("no links for a campaign", campaign_id=str(campaign_id), reason=error.message)
            async with rt.db.tenant_tx(tenant_id) as tx:
                await holds.set_reason(tx, tenant_id, campaign_id, f"waiting for links: {error.message}")
            return None
        async with rt.db.tenant_tx(tenant_id) as tx:
            await repository.set_short(tx, tenant_id, campaign_id, made)
            await holds.set_reason(tx, tenant_id, campaign_id, None)
            rows = await repository.of(tx, tenant_id, campaign_id)
    found: dict[int, dict[str, str]] = {}
    for row in rows:
        found.setdefault(row["variant"], {})[row["url"]] = row["short_url"]
    return found


async def _ask(
    rt: Runtime, campaign: Campaign, missing: list[dict[str, Any]]
) -> list[tuple[int, int, str | None, UUID | None]]:
    made: list[tuple[int, int, str | None, UUID | None]] = []
    for start in range(0, len(missing), _AT_ONCE):
        asked = missing[start : start + _AT_ONCE]
        links = [
            {
                "reference": f"campaign/{campaign['id']}/{row['variant']}/{row['link_index']}",
                "url": row["url"],
                "title": campaign["name"],
            }
            for row in asked
        ]
        answer = await rt.http.post(
            f"{get_service_url('code-service')}/internal/links",
            json={"tenant_id": str(campaign["tenant_id"]), "links": links},
        )
        for row, link in zip(asked, answer.data or [], strict=True):
            link_id = UUID(link["id"]) if link["id"] else None
            made.append((row["variant"], row["link_index"], link["short_url"], link_id))
    return made


async def clicked(context: MessageContext) -> None:
    """Somebody followed a short link: where it stood in a text, that campaign's figures know."""
    click = context.parse(LinkClicked)
    tx = context.tx
    if click.verdict != "human":
        return
    link = await repository.count_click(tx, tx.tenant, click.link_id)
    if link is None:
        return
    # The figures first: clicks on one campaign wait for each other there, and see who came before.
    await _count(tx, link["campaign_id"], click.occurred_at, "clicks_human")
    if click.visitor and await repository.add_visitor(tx, tx.tenant, link, click.visitor):
        await _count(tx, link["campaign_id"], click.occurred_at, "unique_clicks")


async def _count(tx: Tx, campaign_id: UUID, at: datetime, figure: str) -> None:
    deltas = Deltas()
    deltas.add(tx.tenant, campaign_id, at, figure)
    await stats.add(tx, deltas)


CONSUMERS = (Consumer("text-links", ("code.link.clicked.v1",), clicked),)
