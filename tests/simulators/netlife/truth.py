"""What a collection of a portal has to come to, from what the portal was made of."""

from __future__ import annotations

from collections.abc import Iterator

from tests.simulators.netlife.world import Activity, Job, Person, Portal, Subject


def _sources(subject: Subject) -> list[Person]:
    first = [subject.user.person] if subject.user else []
    return [*first, *(person for person in subject.deliveries if person)]


def _two(values: list[str]) -> tuple[str, str]:
    distinct = [value for value in dict.fromkeys(values) if value]
    return (*distinct, "", "")[:2]  # type: ignore[return-value]


def phones(subject: Subject) -> tuple[str, str]:
    return _two([person.phone.shown for person in _sources(subject) if person.phone])


def emails(subject: Subject) -> tuple[str, str]:
    return _two([person.email.lower() for person in _sources(subject) if "@" in person.email])


def parent_name(subject: Subject) -> str:
    student = f"{subject.first_name} {subject.last_name}".casefold()
    names = [p.name for p in subject.deliveries if p and p.name.casefold() != student]
    return subject.user.person.name if subject.user else (names or [""])[0]


def activities(job: Job, subject: Subject) -> list[Activity]:
    """Those of the shop that the subject is in; the job's first one where nothing says."""
    if subject.linking == "none":
        return [job.in_shop[0]]
    linked = {subject.activity, *(activity for _, activity in subject.images)}
    return [activity for activity in job.in_shop if activity.uuid in linked]


def expected_statistics(portal: Portal) -> dict[str, int]:
    """Every figure, each subject counted once, for a collection of the whole audience."""
    subjects = portal.subjects
    keyed = [s for job in portal.jobs for s in job.subjects if is_eligible(job, s)]
    return {
        "activities_found": sum(len(job.in_shop) for job in portal.jobs),
        "jobs_processed": len(portal.jobs),
        "subjects_total": len(subjects),
        "subjects_buyers": sum(s.is_buyer for s in subjects),
        "subjects_non_buyers": sum(not s.is_buyer for s in subjects),
        "subjects_with_phones": sum(bool(phones(s)[0]) for s in subjects),
        "subjects_with_emails": sum(bool(emails(s)[0]) for s in subjects),
        "subjects_with_images": sum(bool(s.images) for s in subjects),
        "registered_users_checked": len(subjects),
        "registered_users_found": sum(s.user is not None for s in subjects),
        "access_keys_existing": sum(s.access_key is not None for s in keyed),
        "access_keys_created": 0,
        "access_keys_failed": sum(s.access_key is None for s in keyed),
    }


def is_eligible(job: Job, subject: Subject) -> bool:
    """Whether only the access key can still keep the subject out."""
    reachable = bool(phones(subject)[0] or emails(subject)[0])
    return bool(subject.images) and reachable and bool(activities(job, subject))


def expected_rows(portal: Portal, origin: str) -> list[dict[str, str]]:
    """The rows of the CSV with the usual options: both audiences, pictures and some contact required."""
    rows = [
        (_priority(subject), _row(portal, origin, job, subject, activity))
        for job in portal.jobs
        for subject in sorted(job.subjects, key=lambda s: not s.is_buyer)
        if is_eligible(job, subject) and subject.access_key
        for activity in activities(job, subject)
    ]
    return [row for _, row in sorted(rows, key=lambda pair: pair[0])]


def _priority(subject: Subject) -> int:
    return 1 if subject.user else 2


def _strategy(subject: Subject) -> str:
    if subject.user and _reaches(subject.user.person):
        return "registered_user"
    names = ("delivery_1", "delivery_2")
    found = (n for n, p in zip(names, subject.deliveries, strict=True) if p and _reaches(p))
    return next(found)


def _reaches(person: Person) -> bool:
    return "@" in person.email or bool(person.phone and person.phone.shown)


def _row(portal: Portal, origin: str, job: Job, subject: Subject, activity: Activity) -> dict[str, str]:
    return dict(_cells(portal, origin, job, subject, activity))


def _cells(
    portal: Portal, origin: str, job: Job, subject: Subject, activity: Activity
) -> Iterator[tuple[str, str]]:
    yield from {"portal": portal.name, "job_uuid": job.uuid, "job_name": job.name}.items()
    yield from {"subject_uuid": subject.uuid, "external_id": subject.external_id}.items()
    yield from {"first_name": subject.first_name, "last_name": subject.last_name}.items()
    yield "parent_name", parent_name(subject)
    yield from zip(("phone_number", "phone_number_2"), phones(subject), strict=True)
    yield from zip(("email", "email_2"), emails(subject), strict=True)
    yield from {"country": subject.country, "group": subject.group}.items()
    yield "buyer", "Yes" if subject.is_buyer else "No"
    yield "access_code", subject.access_key or ""
    yield "url", f"{origin}/gallery/{subject.uuid}"
    yield "custom_gallery_url", f"{origin}/?code={subject.access_key}"
    for purpose in ("marketing", "transactional"):
        yield f"sms_{purpose}_consent", "SUBSCRIBE"
        yield f"sms_{purpose}_timestamp", activity.starting
    yield from {"activity_uuid": activity.uuid, "activity_name": activity.name}.items()
    yield "registered_user", "Yes" if subject.user else "No"
    email = subject.user.person.email.lower() if subject.user else ""
    yield "registered_user_email", email if "@" in email else ""
    yield "registered_user_uuid", subject.user.uuid if subject.user else ""
    yield "resolution_strategy", _strategy(subject)
