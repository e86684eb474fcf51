"""The mails of property reports, asked of campaign-service by event; one idempotency key sends one mail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from property_service.places import repository as places
from property_service.reports import wording
from property_service.reports.schemas import ReportSettings
from property_service.reports.service import alert_address, settings_for
from property_service.reports.wording import Language
from shared.database import Tx
from shared.events.catalog import JobFailedPermanently, MessageRequested, Recipient, Sender
from shared.events.envelope import new_event
from shared.utils.logging import logger
from shared.web import Runtime

#: More properties than these are counted in the mail, not listed.
MOST_LISTED = 100


@dataclass(frozen=True, slots=True)
class Addressee:
    """Who reads a mail, and in which language."""

    email: str
    name: str
    language: Language


@dataclass(frozen=True, slots=True)
class Shortage:
    """A client got fewer addresses than wanted."""

    client: Mapping[str, Any]
    wanted: int
    found: int
    cities: Sequence[str]
    oldest: date
    newest: date


async def city_names(tx: Tx, client: Mapping[str, Any]) -> list[str]:
    """Of the cities a client chose."""
    return [city["name"] for city in await places.by_ids(tx, client["chosen_cities"])]


def addressee(client: Mapping[str, Any]) -> Addressee:
    return Addressee(client["email"], client["first_name"], client["language"])


class Mailer:
    """Publishes requests for mails in the caller's transaction."""

    def __init__(self, tx: Tx, rt: Runtime, settings: ReportSettings) -> None:
        self._tx = tx
        self._rt = rt
        self.settings = settings

    @classmethod
    async def of(cls, tx: Tx, rt: Runtime) -> Mailer:
        """In the tenant's brand."""
        return cls(tx, rt, await settings_for(tx))

    async def notification(
        self, to: Addressee, properties: Sequence[Mapping[str, Any]], on: date, key: str
    ) -> None:
        """New addresses. Rows have address_raw, city_name, property_type, surface, rooms, price_cents and
        sale_date.
        """
        prices = [row["price_cents"] for row in properties if row["price_cents"] is not None]
        total, average = (sum(prices), sum(prices) / len(prices)) if prices else (None, None)
        await self._send(
            "client_notification",
            to,
            {
                "count": len(properties),
                "properties": [_shown(row, to.language) for row in properties[:MOST_LISTED]],
                "more": max(0, len(properties) - MOST_LISTED),
                "total_price": wording.amount_text(total, to.language),
                "average_price": wording.amount_text(average, to.language),
                "source": wording.source_text(on, to.language),
            },
            key,
        )

    async def welcome(
        self, to: Addressee, send_day: int, count: int, cities: Sequence[str], key: str
    ) -> None:
        await self._send(
            "welcome", to, {"send_day": send_day, "count": count, "cities": _joined(cities)}, key
        )

    async def monthly_notice(
        self, to: Addressee, due_on: date, count: int, cities: Sequence[str], key: str
    ) -> None:
        """A report is due the day after."""
        due = wording.day_text(due_on, to.language)
        await self._send(
            "monthly_notice", to, {"due_date": due, "count": count, "cities": _joined(cities)}, key
        )

    async def insufficient_addresses(self, shortage: Shortage, key: str, to: str | None = None) -> bool:
        """Tell who keeps the service running; False when nobody was named."""
        client, language = shortage.client, self.settings.language
        types = [wording.type_text(kind, language) for kind in client["property_type_preferences"]]
        return await self._alert(
            "insufficient_addresses",
            {
                "client_id": str(client["client_id"]),
                "client_name": f"{client['first_name']} {client['last_name']}",
                "client_email": client["email"],
                "wanted": shortage.wanted,
                "found": shortage.found,
                "cities": _joined(shortage.cities) or "-",
                "types": _joined(types) or "-",
                "window": wording.period_text(shortage.oldest, shortage.newest, language),
            },
            key,
            to,
        )

    async def job_failed(
        self, fact: JobFailedPermanently, client: Mapping[str, Any] | None, key: str, to: str | None = None
    ) -> bool:
        """Tell who keeps the service running; False when nobody was named."""
        return await self._alert(
            "error_alert",
            {
                "job_id": str(fact.job_id),
                "job_type": fact.job_type,
                "attempts": fact.attempts,
                "error": fact.error,
                "failed_at": fact.failed_at.strftime("%Y-%m-%d %H:%M UTC"),
                "client_id": str(client["client_id"]) if client else None,
                "client_name": f"{client['first_name']} {client['last_name']}" if client else None,
            },
            key,
            to,
        )

    async def mail_test(self, to: Addressee, key: str) -> None:
        """A mail that only shows that mails arrive."""
        await self._send("mail_test", to, {}, key)

    async def _alert(self, template: str, variables: dict[str, Any], key: str, to: str | None) -> bool:
        address = to or alert_address(self.settings, self._rt)
        if address is None:
            logger.error("an alert has nobody to go to: set alert_email or CTO_EMAIL", template=template)
            return False
        await self._send(template, Addressee(address, "", self.settings.language), variables, key)
        return True

    async def _send(self, template: str, to: Addressee, variables: dict[str, Any], key: str) -> None:
        wanted = MessageRequested(
            template=f"property.{template}",
            recipient=Recipient(email=to.email, name=to.name or None, language=to.language),
            variables={"brand": self._brand(), "name": to.name, **variables},
            idempotency_key=f"property.{template}:{key}",
            sender=Sender(
                email=self.settings.sender_email,
                name=self.settings.sender_name or self.settings.brand_name,
                reply_to=self.settings.reply_to,
            ),
        )
        event = new_event("message.requested.v1", wanted, tenant_id=self._tx.tenant, subject=key)
        await self._rt.events.publish(self._tx, event)

    def _brand(self) -> dict[str, str | None]:
        settings = self.settings
        return {
            "name": settings.brand_name,
            "color": settings.color,
            "accent": settings.accent,
            "logo_url": settings.logo_url,
            "website": settings.website,
        }


def _shown(row: Mapping[str, Any], language: Language) -> dict[str, Any]:
    return {
        "address": row["address_raw"],
        "city": row["city_name"],
        "type": wording.type_text(row["property_type"], language),
        "surface": row["surface"],
        "rooms": row["rooms"],
        "price": wording.amount_text(row["price_cents"], language),
        "sale_date": wording.day_text(row["sale_date"], language),
    }


def _joined(names: Sequence[str]) -> str | None:
    return ", ".join(names) or None
