"""`contacts.csv` as real exports are: two address books pasted into one, edited by many hands.

The file begins with a UTF-8 BOM although a part of its lines is Windows-1252. What an importer must make
of it is known from how each row was made, without any importing code.
`python -m demo.contacts > contacts.csv` writes it.
"""

from __future__ import annotations

import csv
import io
import random
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from demo import names

COLUMNS = (
    "Prénom",
    "Nom",
    "Adresse e-mail",
    "Langue",
    "Pays",
    "Téléphone",
    "Société",
    "Étiquettes",
    "Remarques",
)
_EMAIL = 2
_PHONE = 5
#: What a contact without a language gets.
DEFAULT_LANGUAGE = "en"

#: Addresses that are none, and why.
FAULTY_ADDRESSES = (
    ("", "email_missing"),
    ("   ", "email_missing"),
    ("n/a", "email_invalid"),
    ("inconnu", "email_invalid"),
    ("jean.dupont", "email_invalid"),
    ("@example.com", "email_invalid"),
    ("jean dupont@example.com", "email_invalid"),
    ("jean..dupont@example.com", "email_invalid"),
    (".jean@example.com", "email_invalid"),
    ("jean(at)example.com", "email_invalid"),
    ("jean@dupont@example.com", "email_invalid"),
    ("a@example.com, b@example.com", "email_invalid"),
    ("jean@", "email_domain_invalid"),
    ("jean@example", "email_domain_invalid"),
    ("jean@-example.com", "email_domain_invalid"),
    ("jean@exam ple.com", "email_domain_invalid"),
    ("jean@example..com", "email_domain_invalid"),
    ("jean@example,com", "email_domain_invalid"),
    ("jean@192.0.2.7", "email_domain_invalid"),
    ("jérôme@", "email_domain_invalid"),
    ("müller@example", "email_domain_invalid"),
    ("j" * 65 + "@example.com", "email_too_long"),
)

#: The same address as another hand writes it.
_REWRITES = (
    str.upper,
    str.title,
    lambda email: f"  {email} ",
    lambda email: f"{email}\u00a0",
    lambda email: f"mailto:{email}",
    lambda email: f"<{email}>",
    lambda email: f"{email};",
)


@dataclass(frozen=True, slots=True)
class Person:
    """A contact as it must be after the import; `email` in lower case."""

    email: str
    first_name: str
    last_name: str
    language: str
    country: str
    tags: frozenset[str]


@dataclass(slots=True)
class ContactsFile:
    """The file and what is true of it.

    `rejections` maps line numbers to reasons; `rows` leaves out empty lines; `legacy_people` are some whose
    name lies in the file as Windows-1252.
    """

    content: bytes = b""
    rows: int = 0
    blank_lines: int = 0
    duplicate_lines: set[int] = field(default_factory=set)
    people: dict[str, Person] = field(default_factory=dict)
    rejections: dict[int, str] = field(default_factory=dict)
    legacy_people: list[Person] = field(default_factory=list)

    def audience(self, all_of: set[str], any_of: set[str], none_of: set[str]) -> list[Person]:
        """Who has every tag of the first set, one of the second, and none of the third."""
        return [
            person
            for person in self.people.values()
            if all_of <= person.tags and any_of & person.tags and not none_of & person.tags
        ]

    def tag_counts(self) -> Counter[str]:
        return Counter(tag for person in self.people.values() for tag in person.tags)

    def language_counts(self) -> Counter[str]:
        return Counter(person.language for person in self.people.values())

    def faults(self) -> dict[int, str]:
        """Line number to reason, of every row that becomes no contact."""
        return self.rejections | dict.fromkeys(self.duplicate_lines, "duplicate_in_file")


def make_contacts(rows: int = 20_000, seed: int = 20_261_121) -> ContactsFile:
    """The file with `rows` rows that are not empty; the same seed gives the same bytes."""
    return _Writer(random.Random(seed)).write(rows)


class _Writer:
    def __init__(self, choose: random.Random) -> None:
        self._choose = choose
        self._file = ContactsFile()
        self._lines: list[bytes] = []
        self._line = 1
        self._written: list[tuple[str, list[str]]] = []
        self._kinds = {
            "person": self._person,
            "duplicate": self._duplicate,
            "faulty": self._faulty,
            "cut_short": self._cut_short,
            "cut_before_address": self._cut_before_address,
            "too_wide": self._too_wide,
            "padded": self._padded,
            "open_quote": self._open_quote,
            "header_again": self._header_again,
            "blank": self._blank,
        }

    def write(self, rows: int) -> ContactsFile:
        self._put(_line(COLUMNS), "utf-8")
        for kind in self._plan(rows):
            self._kinds[kind]()
        # The last line has no end, as after an interrupted copy.
        self._file.content = b"\xef\xbb\xbf" + b"".join(self._lines).removesuffix(b"\r\n")
        self._file.rows = rows
        return self._file

    def _plan(self, rows: int) -> Iterator[str]:
        """Kinds of rows in an order that has no pattern, after a few people that others can repeat."""
        shares = {
            "duplicate": rows * 6 // 100,
            "faulty": rows * 3 // 100,
            "cut_short": rows // 200,
            "cut_before_address": rows // 1000,
            "too_wide": rows // 400,
            "padded": rows // 200,
            "open_quote": 3,
            "header_again": 1,
        }
        kinds = [kind for kind, number in shares.items() for _ in range(number)]
        kinds += ["person"] * (rows - len(kinds) - 10) + ["blank"] * (rows // 150)
        self._choose.shuffle(kinds)
        yield from ["person"] * 10
        yield from kinds

    def _put(self, text: str, encoding: str) -> None:
        self._lines.append(text.encode(encoding))
        self._line += text.count("\n")

    def _put_row(self, cells: list[str], *, legacy: bool = False) -> None:
        text = _line(cells)
        self._put(text, "cp1252" if legacy and _fits_cp1252(text) else "utf-8")

    def _new_person(self) -> tuple[Person, list[str]]:
        """A person and their cells as somebody typed them."""
        choose = self._choose
        first, last = choose.choice(names.FIRST_NAMES), choose.choice(names.LAST_NAMES)
        domain, stored_domain = choose.choices(names.DOMAINS, weights=(30, 15, 15, 10, 10, 10, 1))[0]
        local = f"{_ascii(first)}.{_ascii(last)}.{len(self._file.people) + 1}"
        spellings, place = choose.choices(names.PLACES, weights=(35, 20, 15, 15, 15))[0]
        country = names.COUNTRY_OF[place]
        language = choose.choices(("fr", "de", "en", ""), weights=(55, 12, 25, 8))[0]
        tags, typed_tags = self._tags(place, choose.choice(spellings))
        cells = [
            choose.choice((first, first, first.upper(), f" {first} ")),
            choose.choice((last, last, f"{last}  ")),
            choose.choice((local, local, local.title())) + "@" + domain,
            choose.choice(names.LANGUAGE_SPELLINGS[language]) if language else "",
            choose.choice(names.COUNTRY_SPELLINGS[country]),
            names.PHONES[country].format(choose.randrange(100), choose.randrange(10)),
            choose.choice(names.COMPANIES),
            typed_tags,
            choose.choice(names.REMARKS),
        ]
        person = Person(
            email=f"{local}@{stored_domain}",
            first_name=cells[0].strip(),
            last_name=last,
            language=language or DEFAULT_LANGUAGE,
            country=country,
            tags=frozenset(tags),
        )
        return person, cells

    def _tags(self, place: str, typed_place: str) -> tuple[set[str], str]:
        """Tags of a person, and the cell that says so."""
        choose = self._choose
        tags, typed = {place}, [typed_place]
        for tag, spellings, share in (
            ("newsletter", ("newsletter", "Newsletter", "NEWSLETTER"), 0.85),
            ("customer", ("customer", "Customer"), 0.75),
            ("competitor", ("competitor",), 0.04),
            ("do-not-mail", ("do-not-mail", "Do not mail"), 0.03),
        ):
            if choose.random() < share:
                tags.add(tag)
                typed.append(choose.choice(spellings))
        choose.shuffle(typed)
        return tags, choose.choice((", ", ",", "|")).join(typed)

    def _add(self, person: Person, cells: list[str], *, typed: list[str] | None = None) -> None:
        legacy = self._choose.random() < 0.4
        self._file.people[person.email] = person
        self._written.append((person.email, cells))
        self._put_row(typed or cells, legacy=legacy)
        if legacy and not person.last_name.isascii() and _fits_cp1252(_line(cells)):
            self._file.legacy_people.append(person)

    def _person(self) -> None:
        self._add(*self._new_person())

    def _duplicate(self) -> None:
        _, cells = self._choose.choice(self._written)
        rewritten = list(cells)
        rewritten[_EMAIL] = self._choose.choice(_REWRITES)(cells[_EMAIL])
        self._file.duplicate_lines.add(self._line)
        self._put_row(rewritten, legacy=self._choose.random() < 0.4)

    def _reject(self, cells: list[str], reason: str) -> None:
        self._file.rejections[self._line] = reason
        self._put_row(cells)

    def _faulty(self) -> None:
        _, cells = self._new_person()
        cells[_EMAIL], reason = self._choose.choice(FAULTY_ADDRESSES)
        if reason == "email_missing":  # with a telephone number it would be a contact for texts
            cells[_PHONE] = ""
        self._reject(cells, reason)

    def _cut_before_address(self) -> None:
        _, cells = self._new_person()
        self._reject(cells[:_EMAIL], "email_missing")

    def _too_wide(self) -> None:
        """An unquoted delimiter in a company's name shifts everything behind it."""
        _, cells = self._new_person()
        cells[6:7] = ["Müller", " Söhne GmbH"]
        cells[-1] = "voir fiche"
        self._reject(cells, "too_many_columns")

    def _cut_short(self) -> None:
        """The columns behind the country are missing: the contact has no tags."""
        person, cells = self._new_person()
        untagged = Person(
            person.email, person.first_name, person.last_name, person.language, person.country, frozenset()
        )
        self._add(untagged, [*cells[:5], "", "", "", ""], typed=cells[:5])

    def _padded(self) -> None:
        person, cells = self._new_person()
        self._add(person, cells, typed=[*cells, "", ""])

    def _open_quote(self) -> None:
        person, cells = self._new_person()
        self._file.rejections[self._line] = "unclosed_quote"
        self._put(f'"{person.first_name};{person.last_name};{cells[_EMAIL]};fr;France;;;;\r\n', "utf-8")

    def _header_again(self) -> None:
        """Where the second address book was pasted in."""
        self._reject(list(COLUMNS), "email_invalid")

    def _blank(self) -> None:
        self._file.blank_lines += 1
        self._put(self._choose.choice(("\r\n", ";" * (len(COLUMNS) - 1) + "\r\n", "   \r\n")), "utf-8")


def _line(cells: list[str] | tuple[str, ...]) -> str:
    """One row with its line end; cells are quoted where they must be."""
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=";", lineterminator="\r\n").writerow(cells)
    return buffer.getvalue()


def _fits_cp1252(text: str) -> bool:
    try:
        text.encode("cp1252")
    except UnicodeEncodeError:
        return False
    return True


def _ascii(name: str) -> str:
    """`Crèvecœur` → `crevecoeur`."""
    for letter, written in (("œ", "oe"), ("ß", "ss"), ("ł", "l"), ("Ł", "l"), ("ğ", "g")):
        name = name.replace(letter, written)
    text = unicodedata.normalize("NFKD", name)
    return "".join(c for c in text if c.isascii() and c.isalnum()).lower()


if __name__ == "__main__":
    sys.stdout.buffer.write(make_contacts().content)
