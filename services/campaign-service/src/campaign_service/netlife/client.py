"""The portal API as one asynchronous client per portal."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from campaign_service.netlife.config import (
    ACTIVITY_CONFIG,
    API_ENDPOINTS,
    PERFORMANCE_CONFIG,
    AccessKeyPath,
    Brand,
    Performance,
    brand_of,
    check_address,
)
from campaign_service.netlife.envelopes import (
    Row,
    first_row,
    id_of,
    read_page,
    resolve_next,
    rows_of,
    text_of,
)
from campaign_service.netlife.errors import PortalContractError, PortalError
from campaign_service.netlife.http import Answer, PortalHttp, Sleep, basic_credentials
from campaign_service.netlife.mapping import map_subjects
from campaign_service.netlife.memo import Memo
from campaign_service.netlife.stats import PortalStats
from shared.utils import logger


class NetlifeAPIClient:
    """Reads one portal; only GET is ever sent, over verified TLS (or to this machine).

    Belongs to one event loop, so figures and caches need no locks; requests for the same thing are shared.
    Methods raise PortalError (see `errors`) once the retries of `performance` are used up. Use it as
    `async with`, or `close()` it.
    """

    def __init__(
        self,
        portal_name: str,
        base_url: str,
        username: str,
        password: str,
        *,
        performance: Performance = PERFORMANCE_CONFIG,
        access_key_path: AccessKeyPath = "accesskeys",
        ca_file: Path | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.portal_name = portal_name
        self.performance = performance
        self._access_key_path = access_key_path
        self.stats = PortalStats(portal_name, brand_of(portal_name))
        login = basic_credentials(username, password)
        address = check_address(base_url)
        self._http = PortalHttp(address, login, performance, self.stats, ca_file=ca_file, sleep=sleep)
        self._job_details_cache: Memo[Row] = Memo()
        self._buyers_cache: Memo[list[Row]] = Memo()
        self._non_buyers_cache: Memo[list[Row]] = Memo()
        self._subjects_enriched_cache: Memo[list[Row]] = Memo()
        self._registered_users_cache: Memo[dict[str, dict[str, str]] | None] = Memo()
        self._user_details_cache: Memo[Row | None] = Memo()
        self._counted_jobs: set[str] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop what is under way and close the connections."""
        for cache in (
            self._job_details_cache,
            self._buyers_cache,
            self._non_buyers_cache,
            self._subjects_enriched_cache,
            self._registered_users_cache,
            self._user_details_cache,
        ):
            await cache.close()
        await self._http.close()

    @property
    def origin(self) -> str:
        """Scheme and host of the portal, as people's browsers find it."""
        return str(self._http.base.origin())

    @property
    def portal_brand(self) -> Brand:
        return self.stats.portal_brand

    async def test_connection(self) -> bool:
        """Whether the portal answers these credentials."""
        try:
            answer = await self._get("activities_search", {"status_id": ACTIVITY_CONFIG["target_status"]})
        except PortalError as error:
            logger.warning("portal does not answer", portal=self.portal_name, reason=str(error))
            return False
        return answer.data is not None

    async def http_get(
        self, endpoint: str, params: dict[str, str] | None = None, timeout: float | None = None
    ) -> Any:
        """The parsed answer of a path below the base, None when there is no such thing."""
        return (await self._http.get(self._http.url(endpoint), params, timeout=timeout)).data

    async def get_activities_in_webshop(self) -> list[Row]:
        """All activities whose pictures are for sale, from all pages."""
        first = await self._get("activities_search", {"status_id": ACTIVITY_CONFIG["target_status"]})
        rows = rows_of(await self._paginate(first))
        self.stats.activities_found = len(rows)
        return rows

    async def get_job_details(self, job_uuid: str) -> Row:
        """A job out of its envelope. Raises PortalContractError when there is none."""
        return await self._job_details_cache.get(job_uuid, lambda: self._fetch_details(job_uuid))

    async def _fetch_details(self, job_uuid: str) -> Row:
        answer = await self._get("job_details", job_uuid=job_uuid)
        details = first_row(answer.data)
        if not details:
            raise PortalContractError("a job in the web shop has no details")
        return details

    async def get_job_subjects(
        self,
        job_uuid: str,
        has_order: bool | None = None,
        include_images: bool = True,
        include_favorite: bool = True,
    ) -> list[Row]:
        """Subjects of a job from all pages, each once: buyers (True), non-buyers (False) or all (None)."""
        key = (job_uuid, has_order, include_images, include_favorite)
        return await self._subjects_enriched_cache.get(key, lambda: self._fetch_subjects(*key))

    async def _fetch_subjects(
        self, job_uuid: str, has_order: bool | None, include_images: bool, include_favorite: bool
    ) -> list[Row]:
        params = {"filter_has_order": str(has_order).lower()} if has_order is not None else {}
        if include_images:
            params["include_images"] = "true"
        if include_favorite:
            params["include_favorite_image"] = "true"
        first = await self._get("job_subjects", params, job_uuid=job_uuid)
        rows = rows_of(await self._paginate(first))
        # A list that grows while it is read shows its last rows twice.
        return list({id_of(row): row for row in rows if id_of(row)}.values())

    async def get_buyers_and_non_buyers(self, job_uuid: str) -> tuple[list[Row], list[Row]]:
        """Both lists, fetched at the same time. One who buys meanwhile is a buyer."""
        buyers, others = await asyncio.gather(
            self._buyers_cache.get(job_uuid, lambda: self.get_job_subjects(job_uuid, True)),
            self._non_buyers_cache.get(job_uuid, lambda: self.get_job_subjects(job_uuid, False)),
        )
        bought = {id_of(row) for row in buyers}
        rest = [row for row in others if id_of(row) not in bought]
        if job_uuid not in self._counted_jobs:
            self._counted_jobs.add(job_uuid)
            self.stats.subjects_buyers += len(buyers)
            self.stats.subjects_non_buyers += len(rest)
            self.stats.subjects_total += len(buyers) + len(rest)
        return buyers, rest

    async def get_job_registered_users_map(self, job_uuid: str) -> dict[str, dict[str, str]]:
        """Subject to `{"userUuid", "email"}` of its first registered user, the e-mail in lower case."""
        return await self.find_registered_users_map(job_uuid) or {}

    async def find_registered_users_map(self, job_uuid: str) -> dict[str, dict[str, str]] | None:
        """The same; None where the portal has no such list and must be asked subject by subject."""
        return await self._registered_users_cache.get(job_uuid, lambda: self._fetch_users_map(job_uuid))

    async def _fetch_users_map(self, job_uuid: str) -> dict[str, dict[str, str]] | None:
        first = await self._get("job_users", job_uuid=job_uuid)
        if first.data is None:
            return None
        mapping: dict[str, dict[str, str]] = {}
        for row in rows_of(await self._paginate(first)):
            if subject := text_of(row, "subjectUuid", "subject_uuid"):
                mapping.setdefault(subject, registered_user(row))
        return mapping

    async def get_registered_users(self, job_uuid: str, subject_uuid: str) -> list[Row]:
        """Users registered for one subject."""
        first = await self._get("subject_users", job_uuid=job_uuid, subject_uuid=subject_uuid)
        users = rows_of(await self._paginate(first))
        self.note_registered(bool(users))
        return users

    def note_registered(self, found: bool) -> None:
        """Count a subject whose registration was looked up."""
        self.stats.registered_users_checked += 1
        self.stats.registered_users_found += found

    async def get_user_details(self, user_uuid: str) -> Row | None:
        """Name, e-mail and phone of a user; None for one that is gone."""
        return await self._user_details_cache.get(user_uuid, lambda: self._fetch_user(user_uuid))

    async def _fetch_user(self, user_uuid: str) -> Row | None:
        return first_row((await self._get("user_details", user_uuid=user_uuid)).data) or None

    async def get_or_create_access_key(
        self, job_uuid: str, subject_uuid: str, subject_name: str = "", has_images: bool = True
    ) -> str | None:
        """The subject's first access key, None when it has none: keys are read, never created.

        A missing key of a subject that has pictures is counted as failed. `subject_name` is not used; older
        callers pass it.
        """
        answer = await self._get("subject_access_keys", job_uuid=job_uuid, subject_uuid=subject_uuid)
        key = first_access_key(answer.data)
        if key:
            self.stats.access_keys_existing += 1
        elif has_images:
            self.stats.access_keys_failed += 1
        return key

    def build_subject_activity_mapping(
        self, details_data: Any, subjects_enriched: list[Row]
    ) -> dict[str, set[str]]:
        """Subject to activities; see `mapping.map_subjects`."""
        return map_subjects(details_data, subjects_enriched)

    def increment_job_processed(self) -> None:
        self.stats.jobs_processed += 1

    def add_subject_stats(self, has_phone: bool, has_email: bool, has_images: bool) -> None:
        """Count one subject. Call it once a subject, however many activities it is in."""
        self.stats.subjects_with_phones += has_phone
        self.stats.subjects_with_emails += has_email
        self.stats.subjects_with_images += has_images

    def get_stats_summary(self) -> dict[str, Any]:
        """A copy of all figures, with the duration in seconds."""
        return self.stats.summary()

    def log_final_stats(self) -> None:
        """Write all figures to the log: numbers and hashed ids, no person's data."""
        logger.info("portal statistics", **self.get_stats_summary())

    def forget_job(self, job_uuid: str) -> None:
        """Let go of what was kept of a job that is done, so that a large portal fits into memory."""
        self._job_details_cache.forget(job_uuid)
        self._buyers_cache.forget(job_uuid)
        self._non_buyers_cache.forget(job_uuid)
        self._registered_users_cache.forget(job_uuid)
        for has_order in (True, False, None):
            self._subjects_enriched_cache.forget((job_uuid, has_order, True, True))

    async def _get(self, endpoint: str, params: dict[str, str] | None = None, **ids: str) -> Answer:
        names = {name: quote(value, safe="") for name, value in ids.items()}
        path = API_ENDPOINTS[endpoint].format(**names, access_key_path=self._access_key_path)
        slow = self.performance.slow_timeout if endpoint.startswith("job_") else None
        return await self._http.get(self._http.url(path), params, slow_timeout=slow)

    async def _paginate(self, first_page: Answer) -> list[Any]:
        """Rows of all pages. Raises PortalContractError when a page leads back to one that was read."""
        page = read_page(first_page.data, first_page.link_header)
        rows, url, seen = list(page.rows), first_page.url, {first_page.url}
        while page.next_address:
            url = resolve_next(page.next_address, self._http.base, url)
            if url in seen:
                raise PortalContractError("the pages of a list lead round in a circle")
            seen.add(url)
            answer = await self._http.get(url, slow_timeout=self.performance.slow_timeout)
            if answer.data is None:
                raise PortalContractError("the next page of a list is not there")
            page = read_page(answer.data, answer.link_header)
            rows.extend(page.rows)
        return rows


def registered_user(row: Row) -> dict[str, str]:
    """`{"userUuid", "email"}` of a row about a user, in either of its spellings."""
    email = text_of(row, "userUsername", "email").lower()
    return {"userUuid": text_of(row, "userUuid", "uuid"), "email": email if "@" in email else ""}


def first_access_key(answer: Any) -> str | None:
    """Out of a list, `{"access_keys": […]}` or `{"data": […]}`, of objects or of plain text."""
    if isinstance(answer, dict) and isinstance(answer.get("access_keys"), list):
        answer = answer["access_keys"]
    for item in read_page(answer).rows:
        key = text_of(item, "access_key", "key") if isinstance(item, dict) else id_of(item)
        if key:
            return key
    return None
