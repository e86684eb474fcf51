"""The subjects of one job as contacts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import quote

from campaign_service.netlife.client import NetlifeAPIClient, registered_user
from campaign_service.netlife.config import hash8
from campaign_service.netlife.contacts import CONSENT, PortalContact
from campaign_service.netlife.envelopes import Row, id_of, text_of
from campaign_service.netlife.errors import PortalError, PortalRefusedError
from campaign_service.netlife.mapping import subject_images
from campaign_service.netlife.model import Collection, CollectOptions, ShopJob
from campaign_service.netlife.rules import PRIORITY, Reach, reach, sources_of, student_name
from campaign_service.netlife.tasks import all_of

_AT_ONCE = 200
Users = dict[str, dict[str, str]]


async def collect_job(
    client: NetlifeAPIClient, job: ShopJob, options: CollectOptions, between: Callable[[], Awaitable[None]]
) -> Collection:
    """Raises PortalError when the job's own lists cannot be read; a single subject that fails is noted.

    `between` is awaited after every batch of subjects.
    """
    details, (buyers, others), users = await asyncio.gather(
        client.get_job_details(job.uuid),
        client.get_buyers_and_non_buyers(job.uuid),
        client.find_registered_users_map(job.uuid),
    )
    subjects = [(row, True) for row in buyers if options.audience != "non-buyers"]
    subjects += [(row, False) for row in others if options.audience != "buyers"]
    activities = client.build_subject_activity_mapping(details, [row for row, _ in subjects])
    shop = _JobShop(client, job, options, activities, users, job.name or text_of(details, "name"))
    whole = Collection()
    for start in range(0, len(subjects), _AT_ONCE):
        batch = subjects[start : start + _AT_ONCE]
        for part in await all_of(shop.collect(row, bought) for row, bought in batch):
            whole.add(part)
        await between()
    return whole


@dataclass(frozen=True, slots=True)
class _Person:
    """What is known of a subject and of whom to write to."""

    row: Row
    is_buyer: bool
    user: dict[str, str]
    reach: Reach
    has_images: bool
    names: tuple[str, str]


@dataclass(frozen=True, slots=True)
class _JobShop:
    """A job's subjects, one by one."""

    client: NetlifeAPIClient
    job: ShopJob
    options: CollectOptions
    activities: dict[str, set[str]]
    users: Users | None
    """None: to be asked subject by subject."""
    name: str

    async def collect(self, subject: Row, is_buyer: bool) -> Collection:
        try:
            person = await self._person(subject, is_buyer)
            self._count(person)
            return await self._contacts(person)
        except PortalRefusedError:
            raise
        except PortalError as error:
            return Collection(failures=[f"subject {hash8(id_of(subject))}: {error}"])

    async def _person(self, subject: Row, is_buyer: bool) -> _Person:
        user = await self._registered(id_of(subject))
        details = await self.client.get_user_details(user["userUuid"]) if user.get("userUuid") else None
        names = student_name(subject)
        sources = sources_of(subject, user.get("email", ""), details)
        found = reach(sources, " ".join(filter(None, names)))
        return _Person(subject, is_buyer, user, found, bool(subject_images(subject)), names)

    async def _registered(self, subject_uuid: str) -> dict[str, str]:
        if self.users is None:
            rows = await self.client.get_registered_users(self.job.uuid, subject_uuid)
            return registered_user(rows[0]) if rows else {}
        user = self.users.get(subject_uuid, {})
        self.client.note_registered(bool(user))
        return user

    def _count(self, person: _Person) -> None:
        self.client.add_subject_stats(bool(person.reach.phones), bool(person.reach.emails), person.has_images)

    async def _contacts(self, person: _Person) -> Collection:
        part = Collection()
        activities = self._shown_in(id_of(person.row))
        if reason := self._refusal(person, activities):
            part.skipped[reason] += 1
            return part
        key = await self.client.get_or_create_access_key(
            self.job.uuid, id_of(person.row), has_images=person.has_images
        )
        if key is None:
            part.skipped["no_access_key"] += 1
            return part
        part.contacts = [self._contact(person, activity, key) for activity in activities]
        return part

    def _shown_in(self, subject_uuid: str) -> list[Row]:
        """The subject's activities in the shop; the job's first where nothing says which."""
        mapped = self.activities.get(subject_uuid)
        if not mapped:
            return self.job.activities[:1]
        return [activity for activity in self.job.activities if id_of(activity) in mapped]

    def _refusal(self, person: _Person, activities: list[Row]) -> str | None:
        """Why a subject is left out before its key is asked for."""
        options, found = self.options, person.reach
        if not activities:
            return "not_in_shop"
        if options.images_required and not person.has_images:
            return "no_images"
        if options.registered_only and not person.user:
            return "not_registered"
        has = {
            "phone-only": bool(found.phones),
            "email-only": bool(found.emails),
            "any": bool(found.strategy),
        }
        return None if has[options.contact_filter] else "no_contact"

    def _contact(self, person: _Person, activity: Row, key: str) -> PortalContact:
        row, found, user = person.row, person.reach, person.user
        uuid, origin = id_of(row), self.client.origin
        phones, emails = (*found.phones, "", ""), (*found.emails, "", "")
        entered_shop = text_of(activity, "starting")
        strategy = found.strategy or "subject"
        return PortalContact(
            portal=self.client.portal_name,
            job_uuid=self.job.uuid,
            job_name=self.name,
            subject_uuid=uuid,
            external_id=text_of(row, "external_id"),
            first_name=person.names[0],
            last_name=person.names[1],
            parent_name=found.parent_name,
            phone_number=phones[0],
            phone_number_2=phones[1],
            email=emails[0],
            email_2=emails[1],
            country=text_of(row, "country"),
            group=text_of(row, "group"),
            buyer="Yes" if person.is_buyer else "No",
            access_code=key,
            url=f"{origin}/gallery/{quote(uuid, safe='')}",
            custom_gallery_url=f"{origin}/?code={quote(key, safe='')}",
            sms_marketing_consent=CONSENT,
            sms_marketing_timestamp=entered_shop,
            sms_transactional_consent=CONSENT,
            sms_transactional_timestamp=entered_shop,
            activity_uuid=id_of(activity),
            activity_name=text_of(activity, "name"),
            registered_user="Yes" if user else "No",
            registered_user_email=user.get("email", ""),
            registered_user_uuid=user.get("userUuid", ""),
            resolution_strategy=strategy,
            priority=1 if user else PRIORITY[strategy],
            mobile=found.mobile,
        )
