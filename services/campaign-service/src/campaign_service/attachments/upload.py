"""The form that brings a file, or names one that is there."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pydantic
from fastapi import Request
from starlette.datastructures import UploadFile

from shared.database import Tx
from shared.errors import UnprocessableError, UnsupportedMediaTypeError
from shared.web import Runtime

from . import service
from .schemas import ContentId

#: Paths that take a file, for their body limit.
UPLOAD_PATH = r"^/api/v2/(attachments/[^/]+|(templates|campaigns)/[^/]+/[^/]+/attachments)$"
MESSAGE_PATH = r"^/api/v2/messages/[^/]+$"
FORM_OVERHEAD = 64 * 1024
_MAX_FIELDS = 5
_CONTENT_ID: pydantic.TypeAdapter[str] = pydantic.TypeAdapter(ContentId)
_FILE = {"file": {"type": "string", "format": "binary"}}
_REFERENCE = {
    "attachment_id": {"type": "string", "format": "uuid", "description": "Instead of a file"},
    "content_id": {"type": "string", "description": "Name by which the HTML shows it: cid:<name>"},
}


def form_of(properties: dict[str, dict[str, str]]) -> dict[str, Any]:
    """The form for the API's documentation."""
    schema = {"type": "object", "properties": properties}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


FILE_FORM = form_of(_FILE)
ATTACH_FORM = form_of(_FILE | _REFERENCE)


class Form:
    """What was sent: a file, or the id of one, and perhaps the name by which the HTML shows it."""

    def __init__(self) -> None:
        self.name = ""
        self.content: bytes | None = None
        self.attachment_id: UUID | None = None
        self.content_id: str | None = None

    @classmethod
    async def read(cls, request: Request) -> Form:
        """Raises UnsupportedMediaTypeError and UnprocessableError; the body's size is limited before."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "multipart/form-data":
            raise UnsupportedMediaTypeError("Send the file as multipart/form-data, in a part named file")
        found = cls()
        async with request.form(max_files=1, max_fields=_MAX_FIELDS) as form:
            upload = form.get("file")
            if isinstance(upload, UploadFile):
                found.name, found.content = upload.filename or "", await upload.read()
            found._fields(str(form.get("attachment_id") or ""), str(form.get("content_id") or ""))
        return found

    def _fields(self, attachment_id: str, content_id: str) -> None:
        if (self.content is None) == (not attachment_id):
            raise UnprocessableError("Give either file or attachment_id", field="file")
        if attachment_id:
            try:
                self.attachment_id = UUID(attachment_id)
            except ValueError as error:
                raise UnprocessableError("attachment_id is no id", field="attachment_id") from error
        if content_id:
            try:
                self.content_id = _CONTENT_ID.validate_python(content_id)
            except pydantic.ValidationError as error:
                message = "content_id is made of letters, digits, dots and hyphens"
                raise UnprocessableError(message, field="content_id") from error

    async def stored(self, tx: Tx, rt: Runtime, user_id: UUID) -> UUID:
        """The id of the file: a new one's, or the one that was named."""
        if self.content is None:
            assert self.attachment_id is not None, "the form was read"
            return self.attachment_id
        return await service.store(tx, rt, user_id, self.name, self.content)
