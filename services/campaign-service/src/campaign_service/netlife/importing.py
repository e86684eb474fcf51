"""What was collected, as a file that the import of contacts reads."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

from campaign_service.imports import repository as imports
from campaign_service.imports import service as import_service
from campaign_service.netlife.contacts import PortalContact
from campaign_service.netlife.schemas import ImportWish
from shared.database import Tx
from shared.jobs import JobContext
from shared.utils import uuid7

#: An office's address may stand for a whole school.
_MOST_GALLERIES = 20
#: What contacts are tagged with who have bought something, and who have not.
BUYER, NON_BUYER = "buyer", "non-buyer"
#: Column of the file to field of the contact.
_MAPPING = {
    "email": "email",
    "phone": "phone",
    "parent": "full_name",
    "country": "country",
    "tags": "tags",
    **{
        name: f"custom.{name}"
        for name in (
            "portal",
            "student_first_name",
            "student_last_name",
            "job_name",
            "activity_name",
            "access_code",
            "gallery_url",
            "gallery_urls",
            "buyer",
            "registered_user",
            "sms_marketing_consent",
            "sms_marketing_timestamp",
            "sms_transactional_consent",
            "sms_transactional_timestamp",
            "consent_source",
        )
    },
}


def file_rows(contacts: Iterable[PortalContact]) -> list[dict[str, str]]:
    """One row a person: of several subjects with one address the best-known comes first and counts.

    Their galleries, twenty at most, are in `gallery_urls`. The phone is the one that messages can be sent to.
    """
    people: dict[str, list[PortalContact]] = {}
    for contact in contacts:
        people.setdefault(contact.email or contact.mobile or contact.subject_uuid, []).append(contact)
    rows = [_file_row(group) for group in people.values()]
    return [{name: " ".join(value.split()) for name, value in row.items()} for row in rows]


def _file_row(group: list[PortalContact]) -> dict[str, str]:
    best = group[0]
    bought = any(contact.buyer == "Yes" for contact in group)
    galleries = list(dict.fromkeys(contact.custom_gallery_url for contact in group))
    return {
        "email": best.email,
        "phone": next((contact.mobile for contact in group if contact.mobile), ""),
        "parent": best.parent_name,
        "country": best.country,
        "tags": BUYER if bought else NON_BUYER,
        "portal": best.portal,
        "student_first_name": best.first_name,
        "student_last_name": best.last_name,
        "job_name": best.job_name,
        "activity_name": best.activity_name,
        "access_code": best.access_code,
        "gallery_url": best.custom_gallery_url,
        "gallery_urls": " ".join(galleries[:_MOST_GALLERIES]),
        "buyer": "Yes" if bought else "No",
        "registered_user": best.registered_user,
        "sms_marketing_consent": best.sms_marketing_consent,
        "sms_marketing_timestamp": best.sms_marketing_timestamp,
        "sms_transactional_consent": best.sms_transactional_consent,
        "sms_transactional_timestamp": best.sms_transactional_timestamp,
        "consent_source": f"netlife:{best.portal}",
    }


def write_file(path: Path, contacts: Iterable[PortalContact]) -> int:
    """Write the file of an import; its size in bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(_MAPPING))
        writer.writeheader()
        writer.writerows(file_rows(contacts))
    return path.stat().st_size


def new_place(data_dir: Path, tenant_id: UUID) -> tuple[UUID, Path]:
    """An import's id and where its file has to be."""
    import_id = uuid7()
    return import_id, import_service.import_path(data_dir, tenant_id, import_id)


async def enqueue(
    ctx: JobContext, tx: Tx, import_id: UUID, file: tuple[Path, int], plan: dict[str, Any], wish: ImportWish
) -> None:
    """Start the import in the transaction that stores the collection: both are there, or neither."""
    path, size = file
    layout = await import_service.inspect(path, dict(_MAPPING))
    job = await ctx.runtime.jobs.enqueue(
        tx,
        import_service.JOB_TYPE,
        {"import_id": str(import_id)},
        tenant_id=tx.tenant,
        unique_key=str(import_id),
    )
    values = {
        "id": import_id,
        "job_id": job.id,
        "filename": f"netlife-{plan['portal']}.csv",
        "path": str(path.resolve()),
        "size": size,
        "created_by": plan["created_by"],
        "mapping": dict(_MAPPING),
        "encoding": layout["encoding"],
        "delimiter": layout["delimiter"],
        "columns": layout["columns"],
        **wish.model_dump(),
    }
    await imports.insert(tx, tx.tenant, values)
