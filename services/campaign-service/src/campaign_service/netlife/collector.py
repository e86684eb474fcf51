"""Collecting a portal's contacts: every subject of every job in the web shop, once an activity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable

from campaign_service.netlife.client import NetlifeAPIClient
from campaign_service.netlife.config import hash8
from campaign_service.netlife.contacts import PortalContact
from campaign_service.netlife.envelopes import Row, id_of, text_of
from campaign_service.netlife.errors import PortalError, PortalRefusedError
from campaign_service.netlife.model import Collection, CollectOptions, ShopJob
from campaign_service.netlife.subjects import collect_job
from campaign_service.netlife.tasks import all_of
from shared.utils import logger

Progress = Callable[[int, int], Awaitable[None]]


async def collect(
    client: NetlifeAPIClient, options: CollectOptions, on_progress: Progress | None = None
) -> Collection:
    """Read the whole portal, at most `max_concurrent_jobs` jobs at a time.

    A job or subject that cannot be read is in `failures`, and the rest goes on; refused credentials, or a
    list of activities that cannot be read, raise PortalError. The order of contacts does not depend on who
    answered first. `on_progress` (jobs done, jobs in all) is called every few seconds; what it raises ends
    the collection.
    """
    jobs = _jobs(await client.get_activities_in_webshop(), options)
    parts = await _Collector(client, options, on_progress).run(jobs)
    whole = Collection(jobs=len(jobs))
    for part in parts:
        whole.add(part)
    whole.contacts = _distinct(whole.contacts, whole.skipped)
    whole.contacts.sort(key=lambda contact: contact.priority)
    return whole


def _jobs(activities: list[Row], options: CollectOptions) -> list[ShopJob]:
    jobs: dict[str, ShopJob] = {}
    for activity in activities:
        uuid = id_of(activity.get("job")) or text_of(activity, "job_uuid")
        if not uuid or (options.jobs and uuid not in options.jobs):
            continue
        job = activity["job"] if isinstance(activity.get("job"), dict) else {}
        jobs.setdefault(uuid, ShopJob(uuid, text_of(job, "name"))).activities.append(activity)
    return list(jobs.values())


def _distinct(contacts: list[PortalContact], skipped: Counter[str]) -> list[PortalContact]:
    """Each subject once an activity, though it be in two jobs."""
    first: dict[tuple[str, str], PortalContact] = {}
    for contact in contacts:
        first.setdefault((contact.activity_uuid, contact.subject_uuid), contact)
    if doubled := len(contacts) - len(first):
        skipped["duplicate"] += doubled
    return list(first.values())


class _Collector:
    """The workers over one list of jobs."""

    def __init__(
        self, client: NetlifeAPIClient, options: CollectOptions, on_progress: Progress | None
    ) -> None:
        self._client = client
        self._options = options
        self._on_progress = on_progress
        self._done = 0

    async def run(self, jobs: list[ShopJob]) -> list[Collection]:
        """One collection a job, in the order of jobs."""
        parts = [Collection() for _ in jobs]
        waiting = iter(enumerate(jobs))
        number = min(len(jobs), self._client.performance.max_concurrent_jobs)
        await all_of(self._work(waiting, parts, len(jobs)) for _ in range(number))
        return parts

    async def _work(self, waiting: enumerate[ShopJob], parts: list[Collection], total: int) -> None:
        for place, job in waiting:
            parts[place] = await self._collect(job, total)
            self._done += 1
            await self._show(total)

    async def _show(self, total: int) -> None:
        if self._on_progress is not None:
            await self._on_progress(self._done, total)

    async def _collect(self, job: ShopJob, total: int) -> Collection:
        try:
            part = await collect_job(self._client, job, self._options, lambda: self._show(total))
        except PortalRefusedError:
            raise
        except PortalError as error:
            part = Collection(failures=[f"job {hash8(job.uuid)}: {error}"])
        else:
            self._client.increment_job_processed()
        finally:
            self._client.forget_job(job.uuid)
        for failure in part.failures:
            self._client.stats.note_error(failure)
            logger.error("portal data is missing", failure=failure)
        return part
