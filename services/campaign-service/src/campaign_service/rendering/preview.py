"""What a template looks like for one person, by the engine that sends it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from email import policy
from email.parser import BytesHeaderParser
from typing import Any
from uuid import UUID

from .compiler import Sources, compile_message, one_line, prepare, render_source
from .liquid_env import Part, parse
from .model import (
    CampaignInfo,
    Content,
    Preview,
    Recipient,
    RenderError,
    RenderLimitError,
    TemplateSyntaxError,
)
from .site import Site
from .variables import unknown_variables

# Gmail cuts a longer message and hides its end, the unsubscribe link with it.
_CLIPPED = 102_000


def render_preview(content: Content, variables: Mapping[str, Any]) -> Preview:
    """Renders without tracking; `variables` as `merge_variables` makes them.

    Raises TemplateSyntaxError; what fails only for this person becomes a warning and leaves the part empty.
    """
    given = {"unsubscribe_url": "#unsubscribe", **variables}
    sources = prepare(content, None)
    warnings = list(sources.warnings) + _advice(content)
    rendered = []
    for field, part, source in _sources(sources):
        try:
            rendered.append(render_source(source, part, field, given))
        except RenderError as error:
            warnings.append(f"The {field} cannot be made for this person: {error}")
            rendered.append("")
    subject, html, text = rendered
    if len(html.encode("utf-8", "replace")) > _CLIPPED:
        warnings.append("The HTML is larger than 102 kB: some mail programs hide its end")
    return Preview(one_line(subject), html, text, tuple(warnings))


def check_limits(content: Content) -> None:
    """Raises TemplateSyntaxError for what would break a limit for everybody, whatever they are called."""
    given = {"unsubscribe_url": "#unsubscribe"}
    for field, part, source in _sources(prepare(content, None)):
        try:
            render_source(source, part, field, given)
        except RenderLimitError as error:
            raise TemplateSyntaxError(f"The {field} asks for too much: {error}", field=field) from error
        except RenderError:
            continue  # for somebody with the right fields it may work


def _sources(sources: Sources) -> tuple[tuple[str, Part, str], ...]:
    return (
        ("subject", "text", sources.subject),
        ("html", "html", sources.html),
        ("text", "text", sources.text),
    )


def preview_headers(
    content: Content, person: Recipient, campaign: CampaignInfo, site: Site
) -> list[tuple[str, str]]:
    """The mail's header, decoded; empty where the mail cannot be made for this person.

    Its links name nobody, so that who looks at a preview takes no contact off a list.
    """
    compiled = compile_message({"en": content}, campaign=campaign, site=site)
    try:
        mail = compiled.render(replace(person, contact_id=UUID(int=0)))
    except RenderError:
        return []
    header = BytesHeaderParser(policy=policy.default).parsebytes(mail)
    return [(name, str(value)) for name, value in header.items()]


def _advice(content: Content) -> list[str]:
    warnings = []
    paths: set[str] = set()
    for field, source in (("subject", content.subject), ("html", content.html), ("text", content.text or "")):
        template = parse(source, "html" if field == "html" else "text", field)
        paths.update(template.global_variable_paths())
    warnings += [f"Unknown variable {path}: it stays empty" for path in unknown_variables(paths)]
    if "unsubscribe_url" not in content.html:
        warnings.append("The HTML has no unsubscribe link ({{ unsubscribe_url }})")
    if content.text is not None and "unsubscribe_url" not in content.text:
        warnings.append("The text has no unsubscribe link ({{ unsubscribe_url }})")
    return warnings
