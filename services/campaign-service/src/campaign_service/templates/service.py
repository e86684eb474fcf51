"""Rules of templates: versions never change, a change of any language makes a new version of all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from campaign_service.attachments import repository as attachments
from campaign_service.campaigns import repository as campaigns
from campaign_service.campaigns.content import campaign_info
from campaign_service.contacts import service as contacts
from campaign_service.rendering import (
    CampaignInfo,
    Content,
    Recipient,
    TemplateSyntaxError,
    check_limits,
    choose_content,
    compile_mjml,
    merge_variables,
    preview_headers,
    render_preview,
)
from campaign_service.settings import settings_of, site_of
from campaign_service.templates import repository
from campaign_service.templates.schemas import PreviewIn, PreviewOut, SamplePerson, TemplateIn, TemplateUpdate
from shared.database import Tx
from shared.errors import ConflictError, NotFoundError, ValidationError
from shared.web import Runtime

_SAMPLE_ID = UUID(int=0)


class TemplateNameTakenError(ConflictError):
    code = "TEMPLATE_NAME_TAKEN"


class TemplateArchivedError(ConflictError):
    code = "TEMPLATE_ARCHIVED"


class TemplateInUseError(ConflictError):
    """A scheduled campaign will send this template."""

    code = "TEMPLATE_IN_USE"


def choose_language(available: Iterable[str], wanted: str | None, default: str) -> str:
    """The wanted language, else its base language (`fr` for `fr-CA`), else the default, else the first."""
    return choose_content(available, wanted, None, default)


def compiled(language: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """A content as it is stored: MJML compiled, syntax checked.

    Raises TemplateSyntaxError with the field (`contents.fr.html`), line and column.
    """
    content = {name: given.get(name) for name in repository.PARTS}
    try:
        if content["mjml"] is not None:
            content["html"] = compile_mjml(content["mjml"])
        check_limits(_content(content))
    except TemplateSyntaxError as error:
        raise TemplateSyntaxError(
            error.message, field=f"contents.{language}.{error.field}", details=error.details
        ) from error
    return content


def _content(row: Mapping[str, Any]) -> Content:
    return Content(row["subject"], row["html"], row["text"])


async def create(tx: Tx, tenant_id: UUID, body: TemplateIn) -> dict[str, Any]:
    contents = {language: compiled(language, c.model_dump()) for language, c in body.all_contents().items()}
    default = body.default_language or choose_language(contents, None, "en")
    _require_default(contents, default)
    template_id = await repository.insert(tx, tenant_id, body.name, body.category, default)
    if template_id is None:
        raise TemplateNameTakenError(f"There is a template {body.name} already", field="name")
    await repository.insert_contents(tx, tenant_id, template_id, 1, contents)
    return await get(tx, tenant_id, template_id)


def _require_default(contents: Mapping[str, Any], default: str) -> None:
    if default not in contents:
        raise ValidationError(
            f"The template needs content in its default language {default}", field="default_language"
        )


async def get(tx: Tx, tenant_id: UUID, template_id: UUID, version: int | None = None) -> dict[str, Any]:
    """The template with the contents of a version, by default the current one."""
    template = await repository.get(tx, tenant_id, template_id)
    if template is None:
        raise NotFoundError("There is no such template")
    contents = await repository.contents(tx, tenant_id, template_id, version or template["version"])
    if not contents:
        raise NotFoundError("There is no such version")
    chosen = {"version": version, "languages": sorted(contents)} if version else {}
    return template | {"contents": contents} | chosen


def out(template: Mapping[str, Any]) -> dict[str, Any]:
    """As it is answered: each content says in which format it was written."""
    contents = {
        language: content | {"format": "html" if content["mjml"] is None else "mjml"}
        for language, content in template["contents"].items()
    }
    return {**template, "contents": contents}


async def update(tx: Tx, tenant_id: UUID, template_id: UUID, body: TemplateUpdate) -> dict[str, Any]:
    """Raises TemplateArchivedError, TemplateNameTakenError, TemplateSyntaxError."""
    template = await _locked(tx, tenant_id, template_id)
    changes = body.changes()
    contents = _merged(template["contents"], changes.pop("contents", {}))
    _require_default(contents, changes.get("default_language", template["default_language"]))
    await _check_name(tx, tenant_id, template_id, changes.get("name"))
    if contents != template["contents"]:
        changes["current_version"] = template["version"] + 1
        await repository.insert_contents(tx, tenant_id, template_id, changes["current_version"], contents)
        await _keep_files(tx, tenant_id, template_id, template["version"])
    await repository.update(tx, tenant_id, template_id, changes)
    return await get(tx, tenant_id, template_id)


async def _keep_files(tx: Tx, tenant_id: UUID, template_id: UUID, version: int) -> None:
    """The version after `version` carries the same files."""
    old, new = (attachments.Owner(template_id=template_id, template_version=version + n) for n in (0, 1))
    await attachments.copy_uses(tx, tenant_id, old, [new])


async def new_version(tx: Tx, tenant_id: UUID, template_id: UUID) -> int:
    """The same contents and files as a new version, whose files may be changed; its number."""
    template = await _locked(tx, tenant_id, template_id)
    version: int = template["version"] + 1
    await repository.insert_contents(tx, tenant_id, template_id, version, template["contents"])
    await _keep_files(tx, tenant_id, template_id, template["version"])
    await repository.update(tx, tenant_id, template_id, {"current_version": version})
    return version


async def _locked(tx: Tx, tenant_id: UUID, template_id: UUID) -> dict[str, Any]:
    if not await repository.lock(tx, tenant_id, template_id):
        raise NotFoundError("There is no such template")
    template = await get(tx, tenant_id, template_id)
    if template["archived_at"] is not None:
        raise TemplateArchivedError("An archived template does not change")
    return template


def _merged(old: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The old contents with the given ones put in; a given null takes a language away."""
    new = {language: content and compiled(language, content) for language, content in given.items()}
    return {language: content for language, content in {**old, **new}.items() if content is not None}


async def _check_name(tx: Tx, tenant_id: UUID, template_id: UUID, name: str | None) -> None:
    if name is not None and await repository.id_of_name(tx, tenant_id, name) not in (None, template_id):
        raise TemplateNameTakenError(f"There is a template {name} already", field="name")


async def archive(tx: Tx, tenant_id: UUID, template_id: UUID) -> dict[str, Any]:
    """Raises TemplateInUseError while a scheduled campaign needs it."""
    campaigns = await repository.waiting_campaigns(tx, tenant_id, template_id)
    if campaigns:
        raise TemplateInUseError("A scheduled campaign sends this template", details={"campaigns": campaigns})
    archived = await repository.archive(tx, tenant_id, template_id)
    if archived is None:
        raise NotFoundError("There is no such template")
    return archived


async def preview(tx: Tx, rt: Runtime, tenant_id: UUID, template_id: UUID, body: PreviewIn) -> PreviewOut:
    """The template as one person would get it, by the engine of the send."""
    template = await get(tx, tenant_id, template_id, body.version)
    person = replace(await _person(tx, tenant_id, body), code=body.code)
    contents = template["contents"]
    if body.language is not None and body.language not in contents:
        raise ValidationError(
            f"The template has no content in {body.language}",
            field="language",
            details={"languages": sorted(contents)},
        )
    default = template["default_language"]
    language = body.language or choose_content(contents, person.language, person.category, default)
    info = await _campaign(tx, rt, tenant_id, body, template["default_language"])
    variables = merge_variables(person, campaign_name=info.name, unsubscribe_url="#unsubscribe")
    content = _content(contents[language])
    rendered = render_preview(content, variables)
    return PreviewOut(
        subject=rendered.subject,
        html=rendered.html,
        text=rendered.text,
        language=language,
        version=template["version"],
        headers=preview_headers(content, person, info, site_of(rt)),
        warnings=list(rendered.warnings),
    )


async def _campaign(
    tx: Tx, rt: Runtime, tenant_id: UUID, body: PreviewIn, default_language: str
) -> CampaignInfo:
    if body.campaign_id is None:
        sender = settings_of(rt).from_email
        return CampaignInfo(tenant_id, _SAMPLE_ID, body.campaign_name, None, sender)
    campaign = await campaigns.get(tx, tenant_id, body.campaign_id)
    if campaign is None:
        raise NotFoundError("There is no such campaign")
    return campaign_info(rt, campaign, default_language)


async def _person(tx: Tx, tenant_id: UUID, body: PreviewIn) -> Recipient:
    if body.contact_id is None:
        sample = body.sample or SamplePerson()
        return Recipient(
            _SAMPLE_ID,
            sample.email,
            language=body.language or "",
            first_name=sample.first_name,
            last_name=sample.last_name,
            country=sample.country,
            category=sample.category,
            custom=sample.custom,
        )
    contact = await contacts.get(tx, tenant_id, body.contact_id)
    return Recipient(
        contact["id"],
        contact["email"],
        language=contact["language"],
        first_name=contact["first_name"],
        last_name=contact["last_name"],
        country=contact["country"],
        category=contact["category"],
        custom=contact["custom_fields"],
    )
