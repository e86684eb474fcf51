"""How a portal writes its answers: envelopes, links to the next page, and the spellings of one thing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from tests.simulators.netlife.world import Activity, Job, Person, Subject, User

Envelope = Literal["data", "results", "bare", "mixed"]
NextForm = Literal["absolute", "from_origin", "from_base", "mixed"]
V = TypeVar("V")


def pick(choices: tuple[V, ...], *key: str) -> V:
    """One of the choices, always the same one for a key."""
    digest = hashlib.md5("|".join(key).encode(), usedforsecurity=False).digest()
    return choices[digest[0] % len(choices)]


@dataclass(frozen=True)
class Shapes:
    """`mixed` takes another form for every path. `page_size` is in rows."""

    envelope: Envelope = "mixed"
    next_form: NextForm = "mixed"
    page_size: int = 50

    def wrap(self, path: str, rows: list[Any], following: str | None) -> tuple[Any, str | None]:
        """The body of a page, and the address of the next one where only a Link header can say it."""
        kind = self.envelope if self.envelope != "mixed" else pick(("data", "results", "bare"), path)
        if kind == "data":
            return {"success": True, "data": rows, "meta": {"next": following}}, None
        if kind == "results":
            return {"results": rows, "next": following}, None
        if len(rows) == 1 and isinstance(rows[0], dict) and not following:
            return rows[0], None
        return rows, following

    def wrap_one(self, path: str, row: dict[str, Any]) -> Any:
        """A single thing, in an envelope or not."""
        kind = self.envelope if self.envelope != "mixed" else pick(("data", "results", "bare"), path)
        return {"data": {"success": True, "data": row}, "results": {"results": [row]}, "bare": row}[kind]

    def next_address(self, origin: str, path: str, query: str) -> str:
        """`path` begins with /api/v1."""
        form = self.next_form
        if form == "mixed":
            form = pick(("absolute", "from_origin", "from_base"), path, query)
        start = {"absolute": origin + path, "from_origin": path, "from_base": path.removeprefix("/api/v1")}
        return f"{start[form]}?{query}"


def activity_row(job: Job, activity: Activity) -> dict[str, Any]:
    return {
        "uuid": activity.uuid,
        "name": activity.name,
        "starting": activity.starting,
        "status": activity.status,
        "job": {"uuid": job.uuid, "name": job.name},
    }


def job_details(job: Job) -> dict[str, Any]:
    """The pictures as a list or by id, beside the job or within it."""
    pictures = [image for subject in job.subjects for image in subject.images]
    images: Any = [_picture(image, activity) for image, activity in pictures]
    if pick((True, False), job.uuid, "keyed"):
        images = {image["uuid"]: {k: v for k, v in image.items() if k != "uuid"} for image in images}
    names = [{"uuid": s.uuid, "first_name": s.first_name, "last_name": s.last_name} for s in job.subjects]
    subjects: Any = names if pick((True, False), job.uuid, "list") else {n["uuid"]: n for n in names}
    own = {"uuid": job.uuid, "name": job.name}
    if pick((True, False), job.uuid, "nested"):
        return {"job": {**own, "images": images, "subjects": subjects}}
    return {**own, "images": images, "subjects": subjects}


def _picture(image: str, activity: str) -> dict[str, Any]:
    forms: tuple[dict[str, Any], ...] = (
        {"activity": {"uuid": activity}},
        {"activity_uuid": activity},
        {"activityUuid": activity},
    )
    return {"uuid": image, **pick(forms, image)}


def subject_row(subject: Subject, *, images: bool, favorite: bool) -> dict[str, Any]:
    row: dict[str, Any] = {
        "uuid": subject.uuid,
        "external_id": subject.external_id,
        "first_name": subject.first_name,
        "last_name": subject.last_name,
        "group": subject.group,
        "country": subject.country or None,
    }
    if subject.activity:
        row |= pick(
            ({"activity_uuid": subject.activity}, {"activity": {"uuid": subject.activity}}), subject.uuid
        )
    for number, person in enumerate(subject.deliveries, 1):
        row[f"delivery_{number}"] = _delivery(person)
    if images:
        row |= _images(subject)
    if favorite and subject.images:
        row |= _favorite(subject.images[0][0])
    return row


def _delivery(person: Person | None) -> dict[str, Any] | None:
    if person is None:
        return None
    phone = person.phone.raw if person.phone else None
    return {"name": person.name, "email_address": person.email, "mobile_phone": phone}


def _images(subject: Subject) -> dict[str, Any]:
    ids = [image for image, _ in subject.images]
    forms: tuple[dict[str, Any], ...] = (
        {"images": [{"uuid": image} for image in ids]},
        {"images": ids},
        {"images": {image: {"width": 4000} for image in ids}},
        {"group_images": [{"uuid": image} for image in ids]},
        {"images": [{"uuid": image} for image in ids[1:]], "image": {"uuid": ids[0]} if ids else None},
    )
    return pick(forms, subject.uuid, "images")


def _favorite(image: str) -> dict[str, Any]:
    forms: tuple[dict[str, Any], ...] = (
        {"favorite_image_uuid": image},
        {"favoriteImageUuid": image},
        {"favorite_image": image},
        {"favorite_image": {"uuid": image}},
    )
    return pick(forms, image, "favorite")


def job_user_row(subject: Subject, user: User) -> dict[str, Any]:
    forms = (
        {"userUuid": user.uuid, "userUsername": user.person.email},
        {"uuid": user.uuid, "email": user.person.email},
    )
    return {"subjectUuid": subject.uuid, **pick(forms, user.uuid)}


def user_row(user: User) -> dict[str, Any]:
    phone = user.person.phone.raw if user.person.phone else None
    return {
        "uuid": user.uuid,
        "name": user.person.name,
        "email_address": user.person.email,
        "phone_number": phone,
    }


def access_keys(subject: Subject) -> Any:
    """A list or one of two envelopes, of objects in two spellings or of plain text."""
    if subject.access_key is None:
        return pick(([], {"access_keys": []}, {"data": []}), subject.uuid)
    items = (
        [{"access_key": subject.access_key}, {"access_key": "LATER"}],
        [{"key": subject.access_key}],
        [subject.access_key, "LATER"],
    )
    keys = pick(items, subject.uuid, "item")
    return pick((keys, {"access_keys": keys}, {"data": keys}), subject.uuid, "list")
