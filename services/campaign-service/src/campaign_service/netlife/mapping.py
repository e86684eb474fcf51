"""Which activities a subject belongs to, and what pictures there are of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from campaign_service.netlife.envelopes import Row, first_row, id_of, image_ids, rows_of

_PICTURES = ("images", "group_images", "image")
_FAVORITES = ("favorite_image_uuid", "favoriteImageUuid", "favorite_image")
_ACTIVITY = ("activity_uuid", "activityUuid", "activity")


def subject_images(subject: Row) -> list[str]:
    """Ids of all pictures of a subject, the favourite among them, each once."""
    found = [image for key in (*_PICTURES, *_FAVORITES) for image in image_ids(subject.get(key))]
    return list(dict.fromkeys(found))


def map_subjects(details_data: Any, subjects_enriched: Iterable[Row]) -> dict[str, set[str]]:
    """Subject to activities: the one it names itself, and those its pictures were taken in.

    `details_data` is a job's details in any of their shapes. Subjects without any activity are left out.
    """
    details = first_row(details_data)
    job = details.get("job")
    holders = [details, job] if isinstance(job, dict) else [details]
    by_image = dict(_pictured(holders))
    listed = [subject for holder in holders for subject in _listed(holder.get("subjects"))]
    mapping: dict[str, set[str]] = {}
    for subject in (*listed, *subjects_enriched):
        activities = _own(subject) | {by_image[i] for i in subject_images(subject) if i in by_image}
        activities |= {activity for key in _PICTURES for _, activity in _images(subject.get(key))}
        if (uuid := id_of(subject)) and activities:
            mapping.setdefault(uuid, set()).update(activities)
    return mapping


def _pictured(holders: Iterable[Row]) -> Iterator[tuple[str, str]]:
    for holder in holders:
        yield from _images(holder.get("images"))


def _images(value: Any) -> Iterator[tuple[str, str]]:
    """(image, activity) of pictures that say where they were taken."""
    for image in _listed(value):
        for activity in _own(image):
            yield id_of(image), activity


def _listed(value: Any) -> list[Row]:
    """Objects of a list, or of an object by id; then each gets its id as `uuid`."""
    if isinstance(value, list):
        return rows_of(value)
    if not isinstance(value, dict):
        return []
    if id_of(value):
        return [value]
    return [{"uuid": key, **row} for key, row in value.items() if isinstance(row, dict)]


def _own(row: Row) -> set[str]:
    return {activity for key in _ACTIVITY if (activity := id_of(row.get(key)))}
