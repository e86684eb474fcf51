"""Shapes of mails to send."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Self
from uuid import UUID

import orjson
from pydantic import AfterValidator, Field, StringConstraints, model_validator

from code_service.codes.schemas import Body
from shared.utils.validation import is_email

_MAX_TEXT = 500_000
_VARIABLES_BYTES = 64 * 1024


def _email(value: str) -> str:
    if not is_email(value):
        raise ValueError("this is not an e-mail address")
    return value


def _base64(value: str) -> str:
    if not base64.b64decode(value, validate=True):
        raise ValueError("the file is empty")
    return value


def _small(variables: dict[str, Any]) -> dict[str, Any]:
    if len(orjson.dumps(variables)) > _VARIABLES_BYTES or "\\u0000" in orjson.dumps(variables).decode():
        raise ValueError(f"variables may have at most {_VARIABLES_BYTES} bytes of JSON and no NUL characters")
    return variables


Email = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=320, pattern=r"^[^\x00-\x1f\x7f]*$"),
    AfterValidator(_email),
]
Name = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")
]
Subject = Annotated[str, StringConstraints(min_length=1, max_length=998, pattern=r"^[^\x00\r\n]*$")]
Content = Annotated[str, StringConstraints(min_length=1, max_length=_MAX_TEXT, pattern=r"^[^\x00]*$")]


class FileIn(Body):
    """A file that campaign-service has, by its `id` (POST /api/v2/attachments), or a small one: `name` and
    `content` in base64, which counts against the size of the request."""

    id: UUID | None = None
    name: (
        Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")] | None
    ) = None
    content: Annotated[str, AfterValidator(_base64)] | None = None
    content_id: (
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}(@[A-Za-z0-9.-]{1,64})?$")] | None
    ) = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        given = (self.name is not None, self.content is not None)
        if given not in ((True, True), (False, False)) or given[0] == (self.id is not None):
            raise ValueError("give either id or name and content")
        return self


class MailIn(Body):
    """One mail: by the name of a template, or with its own subject and html or text. `variables` fill both.

    `from_email`, `from_name` and `reply_to` are campaign-service's own where they are left out. A dry run
    tells what would be asked for.
    """

    to: Email
    to_name: Name | None = None
    language: Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,3}([_-][A-Za-z0-9]{2,8})*$")] | None = (
        None
    )
    template: (
        Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$")] | None
    ) = None
    subject: Subject | None = None
    html: Content | None = None
    text: Content | None = None
    variables: Annotated[dict[str, Any], Field(max_length=200), AfterValidator(_small)] = Field(
        default_factory=dict
    )
    from_email: Email | None = None
    from_name: Name | None = None
    reply_to: Email | None = None
    attachments: Annotated[list[FileIn], Field(max_length=20)] = Field(default_factory=list)
    dry_run: bool = False

    @model_validator(mode="after")
    def _one_content(self) -> Self:
        own = any(value is not None for value in (self.subject, self.html, self.text))
        if own == (self.template is not None):
            raise ValueError("give either template or subject with html or text")
        if own and (self.subject is None or (self.html is None and self.text is None)):
            raise ValueError("subject and one of html and text are required")
        return self
