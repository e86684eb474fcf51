"""Taking an upload in, and answering about imports."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pydantic

from campaign_service.contacts.csv_safety import csv_lines
from campaign_service.contacts.definitions import service as definitions
from campaign_service.contacts.definitions.values import ANYTHING, Rules
from campaign_service.imports import repository
from campaign_service.imports.reader import Layout, UnreadableFileError
from campaign_service.imports.schemas import ImportAccepted, ImportForm
from campaign_service.imports.upload import Upload
from campaign_service.sources.naming import source_of_file
from shared.database import SimpleDatabase, Tx
from shared.errors import NotFoundError, UnsupportedMediaTypeError, ValidationError
from shared.utils import uuid7
from shared.web import Runtime

JOB_TYPE = "contacts.import"
_PAGE = 5000


def import_path(data_dir: Path, tenant_id: UUID, import_id: UUID) -> Path:
    """Where the uploaded file is kept until its import ends."""
    return data_dir / "imports" / str(tenant_id) / f"{import_id}.csv"


async def accept(
    rt: Runtime, tenant_id: UUID, user_id: UUID, upload: Upload, import_id: UUID
) -> ImportAccepted:
    """Check what was uploaded and enqueue its import. Removes nothing: the caller owns the file."""
    form = read_form(upload.fields)
    async with rt.db.tenant_tx(tenant_id, read_only=True) as tx:
        rules = (await definitions.of_tenant(tx, tenant_id)).rules
    if refused := rules.refused(_custom_targets(form.mapping)):
        raise ValidationError(f"There is no custom field {', '.join(refused)}", field="mapping")
    layout = await inspect(upload.target, form.mapping, rules)
    async with rt.db.tenant_tx(tenant_id) as tx:
        source_id = await source_of_file(tx, tenant_id, user_id, form.source_id, form.source_name)
        job = await rt.jobs.enqueue(
            tx,
            JOB_TYPE,
            {"import_id": str(import_id)},
            tenant_id=tenant_id,
            unique_key=str(import_id),
        )
        await repository.insert(
            tx,
            tenant_id,
            {
                "id": import_id,
                "job_id": job.id,
                "filename": upload.filename,
                "path": str(upload.target.resolve()),
                "size": upload.size,
                "created_by": user_id,
                "encoding": layout["encoding"],
                "delimiter": layout["delimiter"],
                "columns": layout["columns"],
                **form.model_dump(exclude={"source_name", "consent"}),
                "consent": form.consent.model_dump(mode="json") if form.consent else None,
                "source_id": source_id,
            },
        )
    return ImportAccepted(
        import_id=import_id,
        job_id=job.id,
        status="pending",
        filename=upload.filename or "",
        size=upload.size,
        encoding=layout["encoding"],
        delimiter=layout["delimiter"],
        columns=layout["columns"],
    )


def new_upload(data_dir: Path, tenant_id: UUID, max_bytes: int) -> tuple[UUID, Upload]:
    """A new import's id and a place for its file."""
    import_id = uuid7()
    return import_id, Upload(import_path(data_dir, tenant_id, import_id), max_bytes)


def read_form(fields: dict[str, str]) -> ImportForm:
    """The form's text fields; empty ones count as not given. `tags` is a comma list or a JSON list."""
    given: dict[str, Any] = {name: text for name, text in fields.items() if text}
    if "mapping" in given:
        given["mapping"] = _json(given["mapping"], dict, "an object of column name to field")
    if "consent" in given:
        given["consent"] = _json(given["consent"], dict, "an object with channels, text and more", "consent")
    if "tags" in given and given["tags"].startswith("["):
        given["tags"] = _json(given["tags"], list, "a list of slugs", field="tags")
    elif "tags" in given:
        given["tags"] = [slug.strip() for slug in given["tags"].split(",") if slug.strip()]
    try:
        return ImportForm.model_validate(given)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = str(first["loc"][0]) if first["loc"] else None
        raise ValidationError(f"{field}: {first['msg']}", field=field) from error


def _json(text: str, kind: type, meant: str, field: str = "mapping") -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, kind):
        raise ValidationError(f"{field} must be JSON: {meant}", field=field)
    return value


def _custom_targets(mapping: dict[str, Any]) -> list[str]:
    return [
        target[7:] for target in mapping.values() if isinstance(target, str) and target.startswith("custom.")
    ]


async def inspect(path: Path, mapping: dict[str, Any], rules: Rules = ANYTHING) -> dict[str, Any]:
    """What the reader will make of the file; an error that tells the client what to change."""
    try:
        layout = await asyncio.to_thread(Layout, path, mapping, rules)
    except UnreadableFileError as error:
        message = str(error)[:1].upper() + str(error)[1:]
        if error.code == "not_csv":
            raise UnsupportedMediaTypeError(message, field="file") from error
        field = "mapping" if error.code == "mapping" else "file"
        raise ValidationError(message, field=field, details={"reason": error.code}) from error
    return layout.as_json()


async def get(tx: Tx, tenant_id: UUID, import_id: UUID) -> dict[str, Any]:
    found = await repository.get(tx, tenant_id, import_id)
    if found is None:
        raise NotFoundError("There is no such import")
    return found


async def rejections_csv(db: SimpleDatabase, tenant_id: UUID, import_id: UUID) -> AsyncIterator[str]:
    """All rejected rows as CSV, in batches."""
    yield "\ufeff" + csv_lines([["line_number", "reason_code", "reason", "raw"]])
    after: int | None = None
    while True:
        async with db.tenant_tx(tenant_id, read_only=True) as tx:
            rows = await repository.rejections(tx, tenant_id, import_id, after, _PAGE)
        if not rows:
            return
        yield csv_lines(list(row.values()) for row in rows)
        after = rows[-1]["line_number"]
