"""SQL of a person's rights: everything about one contact, and its erasure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from shared.database import Tx

#: How long an erasure waits for a contact. An import may hold it for minutes.
PATIENCE = "5s"
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

    def __init__(self, ids: Iterable[UUID], addresses: Iterable[str], phones: Iterable[str]) -> None:
        self.ids = list(dict.fromkeys(ids))
        self.addresses = list(dict.fromkeys(addresses))
        self.phones = list(dict.fromkeys(phones))

    def __or__(self, other: Person | None) -> Person:
        """What either says of the same person."""
        if other is None:
            return self
        return Person(self.ids + other.ids, self.addresses + other.addresses, self.phones + other.phones)


async def find(tx: Tx, tenant_id: UUID, contact_id: UUID, *, lock: bool = False) -> Person | None:
    """The person behind a contact, with the contacts merged into it and those of the same address.

    With `lock` the contacts stay as they are until the transaction ends; the database's error when somebody
    else holds one for longer than `PATIENCE`.
    """
    held = ""
    if lock:
        await tx.execute("SELECT set_config('lock_timeout', $1, true)", PATIENCE)
        held = "FOR UPDATE"
    row = await tx.fetchrow(
        f"SELECT email_lower, phone_e164 FROM contact WHERE tenant_id = $1 AND id = $2 {held}",
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
    known = Person(
        [contact_id, *(other["contact_id"] for other in merged)],
        [address for address in addresses if address],
        [row["phone_e164"]] if row["phone_e164"] else [],
    )
    others = await tx.fetch(
        f"""SELECT id FROM contact
            WHERE tenant_id = $1 AND (email_lower = ANY($2::text[])
                                      OR (email IS NULL AND phone_e164 = ANY($3::text[]))) {held}""",
        tenant_id,
        known.addresses,
        known.phones,
    )
    return known | Person([other["id"] for other in others], [], [])


async def everything(tx: Tx, tenant_id: UUID, person: Person) -> dict[str, list[dict[str, Any]]]:
    """Every row about a person by what it is, with the tags' slugs and the files of their single mails."""
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
    files = await tx.fetch(
        f"""SELECT u.message_id, u.content_id, a.id, a.name, a.content_type, a.size,
                   encode(a.sha256, 'hex') AS sha256, a.created_at, a.deleted_at
            FROM mail_attachment u
            JOIN attachment a ON a.tenant_id = $1 AND a.id = u.attachment_id
            JOIN message m ON m.tenant_id = $1 AND m.id = u.message_id
            WHERE u.tenant_id = $1 AND {_KEPT["messages"]} AND $2::uuid[] IS NOT NULL ORDER BY u.id""",
        tenant_id,
        person.ids,
        person.addresses,
        person.phones,
    )
    found["attachments"] = [dict(row) for row in files]
    tags = await tx.fetch(
        """SELECT DISTINCT t.slug FROM contact_tag ct JOIN tag t ON t.tenant_id = $1 AND t.id = ct.tag_id
           WHERE ct.tenant_id = $1 AND ct.contact_id = ANY($2::uuid[]) ORDER BY t.slug""",
        tenant_id,
        person.ids,
    )
    return found | {"tags": [{"slug": row["slug"]} for row in tags]}


#: Digests of who was barred since a transaction began. An hour more is for a `bar` that was waiting then, and
#: for an erasure that has barred its person and not yet taken them out.
LATELY = """SELECT digest FROM erased_address
    WHERE tenant_id = $1 AND erased_at > now() - interval '1 hour'"""


# Raw lines are searched: better one too many goes than one stays.
_NAMED = "EXISTS (SELECT 1 FROM unnest($3::text[]) AS a WHERE strpos(lower(raw), a) > 0)"
_EMPTY_RECIPIENT = """UPDATE campaign_recipient SET contact_id = gen_random_uuid(), last_detail = NULL,
    phone = NULL, email = 'erased@erased.invalid',
    state = CASE WHEN state IN ('queued', 'leased', 'failed_retry') THEN 'cancelled' ELSE state END"""
# Rows that figures rest on stay, without the person; the others go. The order matters: a recipient is still
# found by its id when its events are emptied.
_ERASE = (
    f"UPDATE message_event SET detail = '{{}}', contact_id = NULL WHERE tenant_id = $1 AND {_BY_ID}",
    f"{_EMPTY_RECIPIENT} WHERE tenant_id = $1 AND {_BY_ID}",
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


async def hold(tx: Tx, tenant_id: UUID) -> None:
    """Let nobody of the tenant be barred before this transaction ends.

    Whoever brings contacts in asks for it: a transaction that brings one in is then over when its person is
    barred, so that the erasure finds the contact, or begins after that and is refused.
    """
    sql = "SELECT pg_advisory_xact_lock_shared(hashtextextended('erasure ' || $1, 0))"
    await tx.execute(sql, str(tenant_id))


async def bar(tx: Tx, tenant_id: UUID, person: Person) -> None:
    """Refuse the person's addresses and numbers from now on, once all that `hold` has ended.

    For a short transaction of its own, which waits for nothing else: thus nobody waits for each other.
    """
    sql = "SELECT pg_advisory_xact_lock(hashtextextended('erasure ' || $1, 0))"
    await tx.execute(sql, str(tenant_id))
    await tx.execute(
        """INSERT INTO erased_address (tenant_id, digest, erased_at)
           SELECT $1, erasure_digest($1, a), clock_timestamp() FROM unnest($2::text[]) AS a
           ON CONFLICT (tenant_id, digest) DO UPDATE SET erased_at = excluded.erased_at""",
        tenant_id,
        person.addresses + person.phones,
    )


async def was_barred_lately(tx: Tx, tenant_id: UUID) -> bool:
    return bool(await tx.fetchval(f"SELECT EXISTS ({LATELY})", tenant_id))


async def forget_recipients(tx: Tx, tenant_id: UUID, campaign_id: UUID) -> None:
    """Take those out of a campaign's new audience who were barred while it was written down."""
    await hold(tx, tenant_id)
    if await was_barred_lately(tx, tenant_id):
        await tx.execute(
            f"""{_EMPTY_RECIPIENT} WHERE tenant_id = $1 AND campaign_id = $2
                AND (erasure_digest($1, email) = ANY(ARRAY({LATELY}))
                     OR erasure_digest($1, phone) = ANY(ARRAY({LATELY})))""",
            tenant_id,
            campaign_id,
        )


async def is_erased(tx: Tx, tenant_id: UUID, address: str) -> bool:
    """Whether who has this address or number asked to be forgotten."""
    sql = "SELECT true FROM erased_address WHERE tenant_id = $1 AND digest = erasure_digest($1, $2)"
    return bool(await tx.fetchval(sql, tenant_id, address))
