"""What is in a portal, made from a seed: jobs, activities, subjects, users. All names are invented."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass, field
from typing import Literal

FIRST = ("Ada", "Bo", "Cleo", "Dov", "Élise", "Finn", "Gus", "Hana", "Ivo", "June", "Kai", "Lou")
LAST = ("Ash", "Brook, Jr.", "Crane", "D'Arcy", "Elm", "Ford", 'Grant "Gee"', "Hill", "Iris", "Müller")
AREAS = ("201", "202", "203", "212", "213", "215", "303", "305", "312", "404", "415", "503", "512", "617")
PhoneStyle = Literal["plain", "dashes", "brackets", "plus", "leading_one", "long", "short"]
STYLES: tuple[PhoneStyle, ...] = ("plain", "dashes", "brackets", "plus", "leading_one", "long", "short")
Linking = Literal["direct", "images", "two_activities", "none", "not_in_shop"]


@dataclass(frozen=True)
class Phone:
    """A fictional number and how the portal's user typed it."""

    area: str
    line: str
    style: PhoneStyle

    @property
    def raw(self) -> str:
        area, line = self.area, self.line
        return {
            "plain": f"{area}555{line}",
            "dashes": f"{area}-555-{line}",
            "brackets": f"({area}) 555 {line}",
            "plus": f"+1 {area} 555 {line}",
            "leading_one": f"1{area}555{line}",
            "long": f"00 1 {area} 555 {line}",
            "short": f"555-{line}",
        }[self.style]

    @property
    def shown(self) -> str:
        """How a collection has to write it."""
        if self.style == "short":
            return ""
        if self.style == "long":
            return f"+1 {self.area}555{self.line}"
        return f"+1 ({self.area}) 555-{self.line}"


@dataclass(frozen=True)
class Person:
    """Somebody who can be written to: a parent with an account, or a delivery address."""

    name: str
    email: str
    phone: Phone | None


@dataclass(frozen=True)
class User:
    uuid: str
    person: Person


@dataclass(frozen=True)
class Activity:
    uuid: str
    name: str
    starting: str
    status: str


@dataclass(frozen=True)
class Subject:
    uuid: str
    external_id: str
    first_name: str
    last_name: str
    group: str
    country: str
    is_buyer: bool
    linking: Linking
    images: tuple[tuple[str, str], ...]
    """(image, its activity)"""
    activity: str | None
    """The activity named by the subject itself."""
    deliveries: tuple[Person | None, Person | None]
    user: User | None
    access_key: str | None


@dataclass(frozen=True)
class Job:
    uuid: str
    name: str
    activities: tuple[Activity, ...]
    subjects: tuple[Subject, ...]

    @property
    def in_shop(self) -> tuple[Activity, ...]:
        return tuple(activity for activity in self.activities if activity.status == "in-webshop")


@dataclass
class Portal:
    """A whole portal and what its owner signs in with."""

    name: str
    jobs: tuple[Job, ...]
    username: str = "collector"
    password: str = "open-sesame-7"
    users: dict[str, User] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for job in self.jobs:
            self.users |= {s.user.uuid: s.user for s in job.subjects if s.user}

    @property
    def subjects(self) -> list[Subject]:
        return [subject for job in self.jobs for subject in job.subjects]


def make_portal(
    seed: int = 1, *, name: str = "nowandforeverphoto", jobs: int = 3, subjects: int = 60
) -> Portal:
    """A portal with `subjects` in all, spread evenly over `jobs`."""
    dice = random.Random(seed)
    shares = [subjects // jobs + (n < subjects % jobs) for n in range(jobs)]
    return Portal(name, tuple(_job(dice, number, share) for number, share in enumerate(shares)))


def _uuid(dice: random.Random) -> str:
    return str(uuid.UUID(int=dice.getrandbits(128), version=4))


def _job(dice: random.Random, number: int, subjects: int) -> Job:
    activities = [
        Activity(_uuid(dice), f"Fall {number}.{n}", f"2026-0{1 + n}-1{number % 10}T09:30:00Z", "in-webshop")
        for n in range(1 + dice.randrange(3))
    ]
    activities.append(
        Activity(_uuid(dice), f"Archive {number}", f"2025-05-1{number % 10}T08:00:00Z", "archived")
    )
    school = dice.choice(("Oak School", "Pine, Elm & Co. School", "St. Ives"))
    made = tuple(_subject(dice, f"{number}-{n}", activities) for n in range(subjects))
    return Job(_uuid(dice), f"{school} {number}", tuple(activities), made)


def _subject(dice: random.Random, external_id: str, activities: list[Activity]) -> Subject:
    in_shop, archived = activities[:-1], activities[-1]
    linking: Linking = dice.choices(
        ("direct", "images", "two_activities", "none", "not_in_shop"), (4, 4, 1, 1, 0.3)
    )[0]
    chosen = {
        "direct": in_shop[:1],
        "images": [dice.choice(in_shop)],
        "two_activities": in_shop[:2],
        "none": [],
        "not_in_shop": [archived],
    }[linking]
    images = tuple((_uuid(dice), activity.uuid) for activity in chosen for _ in range(1 + dice.randrange(2)))
    if linking == "direct" and dice.random() < 0.2:
        images = ()
    first, last = dice.choice(FIRST), dice.choice(LAST)
    parent = _person(dice, f"{dice.choice(FIRST)} {last}", external_id)
    other = _person(dice, f"{dice.choice(FIRST)} {dice.choice(LAST)}", external_id + "b")
    return Subject(
        uuid=_uuid(dice),
        external_id=external_id,
        first_name=first,
        last_name=last,
        group=dice.choice(("1A", "2B", "")),
        country=dice.choice(("US", "")),
        is_buyer=dice.random() < 0.3,
        linking=linking,
        images=images,
        activity=in_shop[0].uuid if linking == "direct" else None,
        deliveries=_deliveries(dice, f"{first} {last}", parent, other),
        user=User(_uuid(dice), parent) if dice.random() < 0.4 else None,
        access_key=f"K{dice.getrandbits(40):010X}" if dice.random() < 0.95 else None,
    )


def _person(dice: random.Random, name: str, number: str) -> Person:
    phone = Phone(dice.choice(AREAS), f"01{dice.randrange(100):02}", dice.choice(STYLES))
    email = f"Parent.{number}@example.com" if dice.random() < 0.9 else "no address"
    return Person(name, email, phone if dice.random() < 0.85 else None)


def _deliveries(
    dice: random.Random, student: str, parent: Person, other: Person
) -> tuple[Person | None, Person | None]:
    kind = dice.randrange(5)
    if kind == 0:
        return None, None
    if kind == 1:
        # Parents often leave the child's name in the form for the parcel.
        return Person(student.upper(), parent.email.lower(), parent.phone), None
    return (parent, other) if kind == 2 else (other, None if kind == 3 else parent)
