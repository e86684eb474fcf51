"""Which column of a file is which field of a contact.

Headers are recognised in the languages our customers export in; a mapping given by the caller wins. A column
that nobody recognises is kept as a custom field under its own name.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from campaign_service.contacts.definitions.values import ANYTHING, Rules

FIELDS = ("email", "phone", "first_name", "last_name", "language", "country", "time_zone", "category")
#: What a column may be mapped to beside FIELDS and `custom.<key>`: a full name is split, tags are attached.
EXTRA_FIELDS = ("full_name", "tags")

ALIASES: dict[str, str] = {
    "email": "email mail emailaddress mailaddress emailadresse mailadresse emailadres adressemail "
    "adresseemail adresseelectronique courriel correo correoelectronico direccioncorreo direcciondecorreo "
    "indirizzoemail indirizzomail postaelettronica enderecodeemail epost epostadress epostadresse "
    "epostadresa sahkoposti emailadress adresemail mailto contactemail primaryemail emailaddress1 email1 "
    "subscriberemail workemail emailprofessionnel mailprofessionnel электроннаяпочта почта имейл "
    "adressemailprofessionnelle",
    "first_name": "firstname fname givenname forename vorname prenom nombre nome primeironome nombres "
    "voornaam fornamn fornavn etunimi imie имя",
    "last_name": "lastname lname surname familyname nachname familienname zuname nom nomdefamille apellido "
    "apellidos cognome sobrenome apelido achternaam efternamn etternavn efternavn sukunimi nazwisko фамилия",
    "full_name": "name fullname contactname displayname nomcomplet nometprenom nomprenom prenomnom "
    "vollstandigername vornachname nombrecompleto nomecompleto nominativo",
    "phone": "phone phonenumber telephone tel mobile mobilephone mobilenumber cell cellphone gsm portable "
    "telefon telefonnummer handy mobil mobilnummer mobiltelefon telefono movil celular cellulare telefone "
    "telemovel numerodetelephone telefoonnummer telefoon telefonnr puhelin телефон",
    "language": "language lang locale langue sprache idioma lingua taal sprak sprog kieli jezyk язык",
    "country": "country countrycode pays land pais paese landcode codepays landeskurzel kraj страна",
    "time_zone": "timezone tz fuseauhoraire zeitzone zonahoraria fusoorario",
    "category": "category categorie kategorie categoria segment",
    "tags": "tags tag labels etiquettes etiquetas schlagworte motscles",
}
# What our own exports say besides: it is ours to say, and no field of the customer's.
_OURS = frozenset({"status", "validation_status", "created_at"})
_FIELD_OF = {alias: field for field, aliases in ALIASES.items() for alias in aliases.split()}
_CUSTOM_KEY = re.compile(r"[a-z0-9_]{1,64}")
_NOT_ALNUM = re.compile(r"[\W_]+")


class MappingError(ValueError):
    """The caller's mapping, or the header line, does not lead to a usable set of columns."""


@dataclass(frozen=True)
class Columns:
    """Positions in a row. `custom` pairs a position with a custom-field key."""

    header: tuple[str, ...]
    fields: dict[str, int]
    custom: tuple[tuple[int, str], ...]
    has_header: bool

    def as_json(self) -> dict[str, object]:
        return {
            "header": list(self.header),
            "fields": self.fields,
            "custom": [list(pair) for pair in self.custom],
            "has_header": self.has_header,
        }


def normalised(header: str) -> str:
    """`E-Mail Adresse ` → `emailadresse`; accents are dropped, case is folded."""
    text = unicodedata.normalize("NFKD", header.replace("ß", "ss").strip("\ufeff"))
    text = "".join(c for c in text if not unicodedata.combining(c))
    return _NOT_ALNUM.sub("", text).casefold()


def recognised(header: str) -> str | None:
    """The field a header names, or None."""
    return _FIELD_OF.get(normalised(header))


def is_our_export(header: Sequence[str]) -> bool:
    """Whether a file is one that contacts were exported to, edited or not."""
    return {name.strip() for name in header} >= _OURS


def custom_key(header: str) -> str:
    """A header as the key of a custom field: `Company Name (HQ)` → `company_name_hq`."""
    text = unicodedata.normalize("NFKD", header)
    text = "".join(c for c in text if not unicodedata.combining(c)).lower()
    return re.sub(r"[^a-z0-9]+", "_", text).strip("_")[:64]


def check_target(value: object, column: str) -> str | None:
    """A mapping's value checked: a field, `custom.<key>`, or None for a column to leave out."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise MappingError(f"mapping of column {column!r} must be a field name or null")
    if value in FIELDS or value in EXTRA_FIELDS:
        return value
    if value.startswith("custom.") and _CUSTOM_KEY.fullmatch(value[7:]):
        return value
    known = ", ".join((*FIELDS, *EXTRA_FIELDS))
    raise MappingError(f"unknown field {value!r} for column {column!r}; known: {known}, custom.<key>")


def _given(
    header: Sequence[str], mapping: Mapping[str, object], *, has_header: bool
) -> dict[int, str | None]:
    """Column position → target for each entry of the caller's mapping; keys are headers or numbers from 1."""
    by_name = {normalised(name): i for i, name in reversed(list(enumerate(header)))} if has_header else {}
    given: dict[int, str | None] = {}
    for column, value in mapping.items():
        position = by_name.get(normalised(column))
        if position is None and column.isdecimal() and 1 <= int(column) <= len(header):
            position = int(column) - 1
        if position is None:
            raise MappingError(f"the file has no column {column!r}")
        given[position] = check_target(value, column)
    return given


def map_columns(
    header: Sequence[str],
    mapping: Mapping[str, object],
    rules: Rules = ANYTHING,
    *,
    has_header: bool = True,
) -> Columns:
    """Decide what each column is. Raises MappingError when no column holds an e-mail address or phone.

    Columns that would be custom fields which contacts may not have are left out.
    """
    given = _given(header, mapping, has_header=has_header)
    fields: dict[str, int] = {}
    for position, target in given.items():
        if target and not target.startswith("custom.") and fields.setdefault(target, position) != position:
            raise MappingError(f"two columns are mapped to {target!r}")
    custom: list[tuple[int, str]] = []
    told = _OURS if has_header and is_our_export(header) else frozenset[str]()
    for position, name in enumerate(header):
        if position in given:
            target = given[position]
            if target and target.startswith("custom."):
                custom.append((position, target[7:]))
            continue
        if not has_header or name.strip() in told:
            continue
        own = rules.names.get(normalised(name))
        field = None if own else recognised(name)
        if field and field not in fields:
            fields[field] = position
        elif (key := own or custom_key(name)) and rules.takes(key := _free_key(key, custom)):
            custom.append((position, key))
    _german_surname(fields, given)
    _check(fields, custom, has_header=has_header)
    return Columns(tuple(header), fields, tuple(custom), has_header)


def _free_key(key: str, custom: Sequence[tuple[int, str]]) -> str:
    taken = {name for _, name in custom}
    return next(k for n in range(1, len(taken) + 2) if (k := key if n == 1 else f"{key}_{n}") not in taken)


def _german_surname(fields: dict[str, int], given: Mapping[int, str | None]) -> None:
    """`Vorname;Name` means first and last name: beside a first name, a recognised `name` is the surname."""
    if "full_name" in fields and "first_name" in fields and fields["full_name"] not in given:
        position = fields.pop("full_name")
        fields.setdefault("last_name", position)


def _check(fields: Mapping[str, int], custom: Sequence[tuple[int, str]], *, has_header: bool) -> None:
    if "email" not in fields and "phone" not in fields:
        if has_header:
            raise MappingError("no column holds e-mail addresses or phones; name it in the mapping")
        raise MappingError(
            "the file has no header line; give a mapping by column number, "
            'such as {"1": "email", "2": "first_name"}'
        )
    keys = [key for _, key in custom]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice:
        raise MappingError(f"two columns would fill the custom field {twice!r}; map or leave out one of them")
