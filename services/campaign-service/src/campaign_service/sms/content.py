"""The text of a campaign, compiled once per language and filled per person."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from liquid.exceptions import LiquidError

from campaign_service.ab import repository as ab
from campaign_service.campaigns import repository as campaigns
from campaign_service.rendering import Content, Recipient, merge_variables
from campaign_service.rendering.compiler import prepare, text_getter
from campaign_service.rendering.model import RenderError
from campaign_service.sms.links.rewriting import rewritten
from campaign_service.sms.segments import count
from shared.database import Tx
from shared.errors import BusinessRuleError

Campaign = dict[str, Any]
MAX_LENGTH = 1600
_NOBODY = UUID(int=0)


class SmsText:
    """One campaign's text in its languages. `default` is the language of those who have none of them."""

    def __init__(self, sources: Mapping[str, str], default: str, campaign_name: str) -> None:
        """Raises TemplateSyntaxError."""
        self.default = default
        self._name = campaign_name
        self._texts: dict[str, str | Callable[[dict[str, Any]], str]] = {
            language: text_getter(source, "text", "sms_text") for language, source in sources.items()
        }

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(self._texts)

    def choose(self, forced: str | None, own: str) -> str:
        wanted = forced or own
        names = (wanted, wanted.partition("-")[0], self.default)
        return next((name for name in names if name in self._texts), next(iter(self._texts)))

    def fill(self, language: str, person: Mapping[str, Any]) -> str:
        """The text for one contact's row. Raises RenderError, also for one that is empty or too long."""
        return _made(self._texts[self.choose(None, language)], variables(person, self._name))


def fill_once(source: str, person: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    """A single text: what is known of the person, then what is `given`. Raises as `SmsText` does."""
    return _made(text_getter(source, "text", "text"), variables(person, "") | dict(given))


def _made(text: str | Callable[[dict[str, Any]], str], known: dict[str, Any]) -> str:
    if not isinstance(text, str):
        try:
            text = text(known)
        except (LiquidError, ValueError, TypeError, ArithmeticError) as error:
            raise RenderError(str(error)) from error
    body = text.replace("\r\n", "\n").replace("\x00", "").encode("utf-8", "replace").decode().strip()
    if not body or len(body) > MAX_LENGTH:
        raise RenderError(f"A text has 1 to {MAX_LENGTH} characters; this one has {len(body)}")
    return body


def variables(person: Mapping[str, Any], campaign_name: str) -> dict[str, Any]:
    """What a text can say about a contact: what a mail can, and `phone` and `code`."""
    recipient = Recipient(
        person.get("contact_id") or person.get("id") or _NOBODY,
        person.get("email") or "",
        language=person.get("language") or "en",
        first_name=person.get("first_name"),
        last_name=person.get("last_name"),
        country=person.get("country"),
        custom=person.get("custom_fields") or {},
    )
    known = merge_variables(recipient, campaign_name=campaign_name, unsubscribe_url="")
    return known | {"phone": person.get("phone_e164") or person.get("phone"), "code": person.get("code")}


@dataclass(frozen=True, slots=True)
class Written:
    """What one variant says in its languages, as it was written; `version` is of its template."""

    sources: dict[str, str]
    default: str
    version: int | None = None


class Texts:
    """The texts of a campaign: the plain one (0) and that of each variant."""

    def __init__(self, texts: Mapping[int, SmsText]) -> None:
        self._texts = texts
        self.plain = texts[0]
        self.is_varied = len(texts) > 1

    def of(self, variant: int) -> SmsText | None:
        """That of one variant, or 0; None when there is no such."""
        return self._texts.get(variant)

    def fill(self, language: str, person: Mapping[str, Any]) -> str:
        """The text of the person's variant. Raises RenderError."""
        return self._texts.get(person.get("variant") or 0, self.plain).fill(language, person)

    def longest(self, language: str, person: Mapping[str, Any]) -> str:
        """Of what this person may get, what is sent in the most parts. Raises RenderError."""
        sent = [text for variant, text in self._texts.items() if variant] or [self.plain]
        return max((text.fill(language, person) for text in sent), key=lambda body: count(body).segments)


Shorten = Callable[[int], Callable[[str], str | None]]


def compiled(campaign: Campaign, written: Mapping[int, Written], shorten: Shorten) -> Texts:
    """`shorten` answers for each variant what stands in place of its links. Raises TemplateSyntaxError."""
    return Texts(
        {
            variant: SmsText(
                {name: rewritten(source, shorten(variant)) for name, source in one.sources.items()},
                one.default,
                campaign["name"],
            )
            for variant, one in written.items()
        }
    )


async def load(tx: Tx, campaign: Campaign) -> dict[int, Written]:
    """What the campaign (0) and its variants say. Raises BusinessRuleError."""
    written = {0: await _written(tx, campaign, campaign)}
    test = await ab.find(tx, campaign["tenant_id"], campaign["id"]) if campaign.get("id") else None
    for variant in test["variants"] if test else ():
        written[variant["number"]] = await of_variant(tx, campaign, variant)
    return written


async def of_variant(tx: Tx, campaign: Campaign, variant: Mapping[str, Any]) -> Written:
    """What a variant says: its own text, that of its template, or what the campaign does."""
    own = variant["sms_text"] is not None or variant["template_id"] is not None
    return await _written(tx, campaign, variant if own else campaign)


async def _written(tx: Tx, campaign: Campaign, says: Mapping[str, Any]) -> Written:
    if says["sms_text"] is not None:
        default = campaign["language"] or "en"
        return Written({default: says["sms_text"]}, default)
    template = await campaigns.template(tx, campaign["tenant_id"], says["template_id"])
    if template is None or (template["is_archived"] and says["template_version"] is None):
        raise BusinessRuleError("The template of this campaign is archived", field="template_id")
    version = says["template_version"] or template["current_version"]
    rows = await campaigns.template_contents(tx, campaign["tenant_id"], template["id"], version)
    sources = {
        name: prepare(Content(row["subject"], row["html"], row["text"]), None).text
        for name, row in rows.items()
    }
    forced = campaign["language"]
    if forced is not None and forced not in sources:
        raise BusinessRuleError(f"The template has no content in {forced}", field="language")
    return Written(sources, template["default_language"], version)
