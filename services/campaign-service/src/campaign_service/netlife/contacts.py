"""The record of one subject in one activity, and its 28 columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass

from campaign_service.contacts.csv_safety import safe_cell

CSV_COLUMNS = (
    "portal",
    "job_uuid",
    "job_name",
    "subject_uuid",
    "external_id",
    "first_name",
    "last_name",
    "parent_name",
    "phone_number",
    "phone_number_2",
    "email",
    "email_2",
    "country",
    "group",
    "buyer",
    "access_code",
    "url",
    "custom_gallery_url",
    "sms_marketing_consent",
    "sms_marketing_timestamp",
    "sms_transactional_consent",
    "sms_transactional_timestamp",
    "activity_uuid",
    "activity_name",
    "registered_user",
    "registered_user_email",
    "registered_user_uuid",
    "resolution_strategy",
)
#: Text that strangers type. Numbers and ids are left as they are: programs read them.
_TYPED = frozenset({"first_name", "last_name", "parent_name", "country", "group", "email", "email_2"})
CONSENT = "SUBSCRIBE"


@dataclass(frozen=True, slots=True)
class PortalContact:
    """Fields are named like the columns, in their order; then what only we use."""

    portal: str
    job_uuid: str
    job_name: str
    subject_uuid: str
    external_id: str
    first_name: str
    last_name: str
    parent_name: str
    phone_number: str
    phone_number_2: str
    email: str
    email_2: str
    country: str
    group: str
    buyer: str
    access_code: str
    url: str
    custom_gallery_url: str
    sms_marketing_consent: str
    sms_marketing_timestamp: str
    sms_transactional_consent: str
    sms_transactional_timestamp: str
    activity_uuid: str
    activity_name: str
    registered_user: str
    registered_user_email: str
    registered_user_uuid: str
    resolution_strategy: str
    priority: int
    mobile: str
    """E.164, empty when no number is a valid one."""

    def row(self) -> list[str]:
        return [
            safe_cell(value) if name in _TYPED else value
            for name, value in ((name, getattr(self, name)) for name in CSV_COLUMNS)
        ]


def to_csv(contacts: Iterable[PortalContact]) -> str:
    """The whole file: header and rows, quoted where needed, lines ended by CR LF, no byte order mark."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(CSV_COLUMNS)
    writer.writerows(contact.row() for contact in contacts)
    return out.getvalue()
