"""From a messy file to contacts with tags."""

from __future__ import annotations

import csv
import io
import time
from collections import Counter
from typing import Any

from demo.client import wait_for
from demo.contacts import DEFAULT_LANGUAGE, Person
from demo.story import Story

TAGS = (
    ("newsletter", "Newsletter", "#3c6e2f"),
    ("customer", "Customers", "#1c4fd8"),
    ("competitor", "Competitors", "#8a1c1c"),
    ("do-not-mail", "Do not mail", "#555555"),
)
_SAMPLE = 25


def create_tags(story: Story) -> None:
    """The tags the team works with; the file brings the places itself."""
    story.report.step("Tags")
    for slug, name, color in TAGS:
        story.gateway.post("/api/v2/tags", {"slug": slug, "name": name, "color": color})
    story.report.say(", ".join(slug for slug, _, _ in TAGS))


def import_contacts(story: Story) -> None:
    """Upload the file, follow its job, and compare everything with what the file is known to hold."""
    file = story.file
    story.report.step("Importing contacts.csv")
    story.report.say(
        f"{file.rows:,} rows, {len(file.content):,} bytes: semicolons, a BOM, UTF-8 and Windows-1252 mixed,"
    )
    story.report.say(
        f"{len(file.duplicate_lines):,} repeated addresses, {len(file.rejections)} unusable rows, "
        f"{file.blank_lines} empty lines"
    )
    began = time.monotonic()
    accepted, done = _upload(story)
    seconds = time.monotonic() - began
    story.report.say(
        f"Recognised: encoding {accepted['encoding']}, delimiter {accepted['delimiter']!r}, "
        f"fields {', '.join(sorted(accepted['columns']['fields']))}"
    )
    story.report.say(f"From upload to done: {seconds:.1f} s, {file.rows / seconds:,.0f} rows/s")
    _check_counts(story, done)
    _check_rejections(story, done["id"])
    _check_contacts(story)


def import_again(story: Story) -> None:
    """The same file once more makes nobody twice."""
    story.report.step("The same file again")
    _, done = _upload(story)
    story.report.table(
        "Second import",
        [
            ("contacts created", 0, done["created"]),
            ("contacts as before", len(story.file.people), done["unchanged"] + done["updated"]),
            ("rows rejected", len(story.file.rejections), done["rejected"]),
        ],
    )


def _upload(story: Story) -> tuple[dict[str, Any], dict[str, Any]]:
    path = f"/api/v2/contacts/{story.tenant}"
    accepted = story.gateway.send(
        "POST",
        f"{path}/import",
        files={"file": ("contacts.csv", story.file.content, "text/csv")},
        data={"default_language": DEFAULT_LANGUAGE},
    ).json()["data"]
    lines = story.file.content.count(b"\n") + 1

    def look() -> dict[str, Any]:
        state: dict[str, Any] = story.gateway.get(f"{path}/imports/{accepted['import_id']}")
        story.report.progress("import", int(state["progress"].get("done", 0)), lines, "lines")
        return state

    done = wait_for(
        look,
        lambda state: state["status"] not in ("pending", "running"),
        what="the import",
        seconds=60,
    )
    story.report.check("import is complete", "completed", done["status"])
    return accepted, done


def _check_counts(story: Story, done: dict[str, Any]) -> None:
    file = story.file
    story.report.table(
        "Import",
        [
            ("rows", file.rows, done["total"]),
            ("contacts created", len(file.people), done["created"]),
            ("repeated addresses", len(file.duplicate_lines), done["duplicate"]),
            ("rows rejected", len(file.rejections), done["rejected"]),
        ],
    )


def _check_rejections(story: Story, import_id: str) -> None:
    """Every line number with its reason, out of the CSV that the product offers."""
    path = f"/api/v2/contacts/{story.tenant}/imports/{import_id}/rejections.csv"
    text = story.gateway.send("GET", path).content.decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    found = {int(row["line_number"]): row["reason_code"] for row in rows}
    expected = story.file.faults()
    by_reason, expected_by_reason = Counter(found.values()), Counter(expected.values())
    story.report.table(
        "Rows that became no contact",
        [(reason, number, by_reason[reason]) for reason, number in expected_by_reason.most_common()]
        + [("on the right line", len(expected), len(expected.items() & found.items()))],
    )
    for row in [row for row in rows if row["reason_code"] != "duplicate_in_file"][:3]:
        story.report.say(f"line {row['line_number']}: {row['reason']}: {_short(row['raw'])}")


def _short(raw: str) -> str:
    return raw if len(raw) <= 70 else f"{raw[:67]}..."


def _check_contacts(story: Story) -> None:
    file = story.file
    stats = story.gateway.get(f"/api/v2/stats/{story.tenant}/contacts")
    tags = {tag["slug"]: tag["contact_count"] for tag in story.gateway.pages(f"/api/v2/tags/{story.tenant}")}
    story.report.table(
        "Contacts",
        [("all", len(file.people), stats["total"])]
        + [
            (f"language {language}", number, stats["by_language"].get(language, 0))
            for language, number in file.language_counts().most_common()
        ]
        + [(f"tag {tag}", number, tags.get(tag, 0)) for tag, number in file.tag_counts().most_common()],
    )
    story.report.check("tags", set(file.tag_counts()), set(tags))
    _check_some(story, file.legacy_people[:_SAMPLE])


def _check_some(story: Story, people: list[Person]) -> None:
    """People whose names were not written in UTF-8."""
    for person in people:
        found = story.gateway.get(f"/api/v2/contacts/{story.tenant}", q=person.email, limit=10)
        match = [contact for contact in found if contact["email"].lower() == person.email]
        story.report.check(f"{person.email} is there once", 1, len(match))
        for contact in match:
            got = Person(
                person.email,
                contact["first_name"],
                contact["last_name"],
                contact["language"],
                contact["country"],
                frozenset(contact["tags"]),
            )
            story.report.check(f"fields of {person.email}", person, got)
    names = ", ".join(f"{person.first_name} {person.last_name}" for person in people[:4])
    story.report.say(f"Names that lay in the file as Windows-1252 are right: {names} …")
