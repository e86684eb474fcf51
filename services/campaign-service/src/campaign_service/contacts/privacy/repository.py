"""SQL of a person's rights: everything about one contact, and its erasure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from shared.database import Tx

# What is kept about a person, and which rows are theirs: by contact id ($2), addresses ($3) or numbers ($4).
_BY_ID = "contact_id = ANY($2::uuid[])"
_DIGESTS = "ARRAY(SELECT erasure_digest($1, a) FROM unnest($3::text[] || $4::text[]) AS a)"
_KEPT = {
    "contact": "id = ANY($2::uuid[])",
    "merged": "kept_id = ANY($2::uuid[])",
    "recipients": _BY_ID,
    "events": _BY_ID,
    "messages": "(lower(recipient_email) = ANY($3::text[]) OR recipient_phone = ANY($4::text[]))",
    "suppressions": "address_lower = ANY($3::text[] || $4::text[])",
    "suppression_history": "address_lower = ANY($3::text[] || $4::text[])",
    "delivery_issues": "lower(address) = ANY($3::text[])",
    "conversations": f"({_BY_ID} OR customer_phone = ANY($4::text[]))",
    "texts": f"({_BY_ID} OR customer_phone = ANY($4::text[]))",
    "calls": "customer_phone = ANY($4::text[])",
    "leads": "customer_phone = ANY($4::text[])",
    "consents": f"({_BY_ID} OR digest = ANY({_DIGESTS}))",
}
_TABLE = {
    "merged": "contact_merge",
    "recipients": "campaign_recipient",
    "events": "message_event",
    "messages": "message",
    "suppressions": "suppression",
    "delivery_issues": "delivery_issue",
    "conversations": "conversation",
    "texts": "sms_message",
    "calls": "call",
    "leads": "lead",
    "consents": "contact_consent",
}
# Machinery of sending, and keys that only we can read.
_HIDDEN = "ARRAY['dedupe_key', 'digest', 'lease_token', 'lease_until', 'tenant_id']"


class Person:
    """All ids, lower-cased addresses and numbers that one person has had with a tenant."""

    def __init__(self, ids: Sequence[UUID], addresses: Sequence[str], phones: Sequence[str]) -> None:
        self.ids = list(ids)
        self.addresses = list(addresses)
        self.phones = list(phones)


async def find(tx: Tx, tenant_id: UUID, contact_id: UUID) -> Person | None:
    """The person behind a contact, held until the transaction ends, with the contacts merged into it."""
    row = await tx.fetchrow(
        """SELECT email_lower, phone_e164 FROM contact WHERE tenant_id = $1 AND id = $2 FOR UPDATE""",
        tenant_id,
        contact_id,
    )
    if row is None:
        return None
    merged = await tx.fetch(
        "SELECT contact_id, email_lower FROM contact_merge WHERE tenant_id = $1 AND kept_id = $2",
        tenant_id,
        contact_id,
    )
    addresses = [row["email_lower"], *(other["email_lower"] for other in merged)]
    return Person(
        [contact_id, *(other["contact_id"] for other in merged)],
        [address for address in addresses if address],
        [row["phone_e164"]] if row["phone_e164"] else [],
    )


async def everything(tx: Tx, tenant_id: UUID, person: Person) -> dict[str, list[dict[str, Any]]]:
    """Every row about a person by what it is, with the tags' slugs."""
    found: dict[str, list[dict[str, Any]]] = {}
    for name, theirs in _KEPT.items():
        rows = await tx.fetch(
            f"""SELECT to_jsonb(r) - {_HIDDEN} AS row FROM {_TABLE.get(name, name)} r
                WHERE tenant_id = $1 AND {theirs}
                  AND ($2::uuid[], $3::text[], $4::text[]) IS NOT NULL""",
            tenant_id,
            person.ids,
            person.addresses,
            person.phones,
        )
        found[name] = [row["row"] for row in rows]
    tags = await tx.fetch(
        """SELECT DISTINCT t.slug FROM contact_tag ct JOIN tag t ON t.tenant_id = $1 AND t.id = ct.tag_id
           WHERE ct.tenant_id = $1 AND ct.contact_id = ANY($2::uuid[]) ORDER BY t.slug""",
        tenant_id,
        person.ids,
    )
    return found | {"tags": [{"slug": row["slug"]} for row in tags]}


# Raw lines are searched: better one too many goes than one stays.
_NAMED = "EXISTS (SELECT 1 FROM unnest($3::text[]) AS a WHERE strpos(lower(raw), a) > 0)"
# Rows that figures rest on stay, without the person; the others go. The order matters: a recipient is still
# found by its id when its events are emptied.
_ERASE = (
    """INSERT INTO erased_address (tenant_id, digest)
       SELECT $1, erasure_digest($1, a) FROM unnest($3::text[] || $4::text[]) AS a ON CONFLICT DO NOTHING""",
    f"UPDATE message_event SET detail = '{{}}', contact_id = NULL WHERE tenant_id = $1 AND {_BY_ID}",
    f"""UPDATE campaign_recipient SET contact_id = gen_random_uuid(), last_detail = NULL, phone = NULL,
            email = 'erased@erased.invalid',
            state = CASE WHEN state IN ('queued', 'leased', 'failed_retry') THEN 'cancelled' ELSE state END
        WHERE tenant_id = $1 AND {_BY_ID}""",
    f"""UPDATE mailwizz_subscriber SET leave = 'delete', left_at = NULL
        WHERE tenant_id = $1 AND {_BY_ID}""",
    f"""DELETE FROM attachment WHERE tenant_id = $1 AND NOT is_listed AND id IN (
          SELECT u.attachment_id FROM mail_attachment u
          JOIN message m ON m.tenant_id = $1 AND m.id = u.message_id
          WHERE u.tenant_id = $1 AND {_KEPT["messages"]})""",
    f"""UPDATE message SET recipient_email = CASE WHEN channel = 'email' THEN 'erased@erased.invalid' END,
            recipient_name = NULL, recipient_phone = CASE WHEN channel = 'sms' THEN '' END, headers = '{{}}',
            subject = CASE WHEN channel = 'email' THEN '' END, html = NULL, last_detail = NULL,
            text = CASE WHEN channel = 'sms' THEN '' END,
            state = CASE WHEN state IN ('queued', 'failed_retry') THEN 'skipped' ELSE state END,
            skip_reason = CASE WHEN state IN ('queued', 'failed_retry') THEN 'erased' ELSE skip_reason END
        WHERE tenant_id = $1 AND {_KEPT["messages"]}""",
    f"DELETE FROM suppression WHERE tenant_id = $1 AND {_KEPT['suppressions']}",
    f"DELETE FROM suppression_history WHERE tenant_id = $1 AND {_KEPT['suppressions']}",
    f"DELETE FROM delivery_issue WHERE tenant_id = $1 AND {_NAMED}",
    f"DELETE FROM contact_import_rejection WHERE tenant_id = $1 AND {_NAMED}",
    f"DELETE FROM sms_message WHERE tenant_id = $1 AND {_KEPT['texts']}",
    f"DELETE FROM call WHERE tenant_id = $1 AND {_KEPT['calls']}",
    f"DELETE FROM lead WHERE tenant_id = $1 AND {_KEPT['leads']}",
    f"DELETE FROM conversation WHERE tenant_id = $1 AND {_KEPT['conversations']}",
    """UPDATE contact_operation SET request = jsonb_set(request, '{filter,q}', '"erased"')
        WHERE tenant_id = $1
          AND EXISTS (SELECT 1 FROM unnest($3::text[]) AS a
                      WHERE strpos(lower(request -> 'filter' ->> 'q'), a) > 0)""",
    f"""UPDATE contact_consent SET contact_id = NULL, source = NULL, shown_text = NULL, ip_digest = NULL,
            actor = NULL WHERE tenant_id = $1 AND {_KEPT["consents"]}""",
    "DELETE FROM contact WHERE tenant_id = $1 AND id = ANY($2::uuid[])",
)


async def erase(tx: Tx, tenant_id: UUID, person: Person) -> None:
    """Take a person out of everything; rows that figures are made of stay without a name."""
    for statement in _ERASE:
        await tx.execute(
            f"WITH given AS (SELECT $2::uuid[], $3::text[], $4::text[]) {statement}",
            tenant_id,
            person.ids,
            person.addresses,
            person.phones,
        )


async def is_erased(tx: Tx, tenant_id: UUID, address: str) -> bool:
    """Whether who has this address or number asked to be forgotten."""
    sql = "SELECT true FROM erased_address WHERE tenant_id = $1 AND digest = erasure_digest($1, $2)"
    return bool(await tx.fetchval(sql, tenant_id, address))
