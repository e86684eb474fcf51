"""Rules of attachments: how large, which kinds, whose."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from campaign_service.rendering import File, encode_file
from campaign_service.settings import settings_of
from shared.database import Tx
from shared.errors import (
    BusinessRuleError,
    ConflictError,
    NotFoundError,
    PayloadTooLargeError,
    ValidationError,
)
from shared.web import Runtime

from . import repository
from .kinds import content_type_of, plain_name
from .repository import Owner
from .schemas import MessageAttachment

_NOT_FOUND = "There is no such attachment"


class AttachmentInUseError(ConflictError):
    """Something will still send the file; `details.needed_by` says what."""

    code = "ATTACHMENT_IN_USE"


class AlreadyAttachedError(ConflictError):
    """The file, or another one of the same `content_id`, is attached already."""

    code = "ALREADY_ATTACHED"


async def store(
    tx: Tx, rt: Runtime, user_id: UUID | None, name: str, content: bytes, *, is_listed: bool = True
) -> UUID:
    """Keep a file. Raises AttachmentRefusedError, PayloadTooLargeError, ValidationError."""
    limit = settings_of(rt).attachments_max_bytes
    if len(content) > limit:
        raise PayloadTooLargeError(f"A file may have at most {limit} bytes", field="file")
    if not content:
        raise ValidationError("The file is empty", field="file")
    plain = plain_name(name)
    kind = await asyncio.to_thread(content_type_of, plain, content)
    values = {"name": plain, "content_type": kind, "content": content, "is_listed": is_listed}
    return await repository.insert(tx, tx.tenant, {**values, "created_by": user_id})


async def get(tx: Tx, attachment_id: UUID) -> dict[str, Any]:
    found = await repository.get(tx, tx.tenant, attachment_id)
    if found is None:
        raise NotFoundError(_NOT_FOUND)
    return found


async def content(tx: Tx, attachment_id: UUID) -> tuple[dict[str, Any], bytes]:
    """A file and what is in it. Raises NotFoundError, also for a deleted one."""
    found = await repository.content(tx, tx.tenant, attachment_id)
    if found is None:
        raise NotFoundError(_NOT_FOUND)
    return await get(tx, attachment_id), found


async def delete(tx: Tx, attachment_id: UUID) -> dict[str, Any]:
    """Raises AttachmentInUseError while something will send it."""
    await get(tx, attachment_id)
    needed_by = await repository.needed_by(tx, tx.tenant, attachment_id)
    if needed_by:
        raise AttachmentInUseError("The attachment is still needed", details={"needed_by": needed_by})
    await repository.delete(tx, tx.tenant, attachment_id)
    return await get(tx, attachment_id)


async def attach(
    tx: Tx, rt: Runtime, owner: Owner, attachment_id: UUID, content_id: str | None = None
) -> None:
    """Raises NotFoundError, AlreadyAttachedError, PayloadTooLargeError when it is too much for a mail."""
    file = await repository.get(tx, tx.tenant, attachment_id, lock=True)
    if file is None or file["deleted_at"] is not None:
        raise NotFoundError(_NOT_FOUND, field="attachment_id")
    await _add(tx, rt, owner, attachment_id, content_id, file["size"])


async def _add(
    tx: Tx, rt: Runtime, owner: Owner, attachment_id: UUID, content_id: str | None, size: int
) -> None:
    there = await repository.uses(tx, tx.tenant, owner)
    limit = settings_of(rt).attachments_max_bytes
    if sum(use["size"] for use in there) + size > limit:
        raise PayloadTooLargeError(
            f"The files of a mail may have at most {limit} bytes together", field="file"
        )
    if content_id is not None and content_id in {use["content_id"] for use in there}:
        raise AlreadyAttachedError(f"There is a file with content_id {content_id}", field="content_id")
    if not await repository.add_use(tx, tx.tenant, owner, attachment_id, content_id):
        raise AlreadyAttachedError("The file is attached already", field="attachment_id")


async def attach_to_message(
    tx: Tx, rt: Runtime, message_id: UUID, given: Sequence[MessageAttachment], user_id: UUID | None
) -> None:
    """Files by id, and files that came with the message and stay its own."""
    owner = Owner(message_id=message_id)
    for file in given:
        if file.id is not None:
            await attach(tx, rt, owner, file.id, file.content_id)
            continue
        assert file.name is not None, "a file without id has a name"
        assert file.content is not None, "a file without id has a content"
        own = await store(tx, rt, user_id, file.name, file.content, is_listed=False)
        await _add(tx, rt, owner, own, file.content_id, len(file.content))


async def files(tx: Tx, owners: Sequence[Owner]) -> list[File]:
    """The files of a mail, encoded; of two with one `content_id` the later owner's.

    Raises BusinessRuleError when one was deleted.
    """
    rows = [row for owner in owners for row in await repository.uses(tx, tx.tenant, owner, with_content=True)]
    for row in rows:
        if row["content"] is None:
            raise BusinessRuleError(f"the attachment {row['name']} was deleted")
    chosen = {row["content_id"] or row["attachment_id"]: row for row in rows}
    return [
        File(
            row["name"],
            row["content_type"],
            await asyncio.to_thread(encode_file, row["content"]),
            row["content_id"],
        )
        for row in chosen.values()
    ]
