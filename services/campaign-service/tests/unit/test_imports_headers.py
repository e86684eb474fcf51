import pytest

from campaign_service.imports.headers import MappingError, map_columns


@pytest.mark.parametrize(
    ("header", "fields"),
    [
        (["E-Mail", "First Name", "Last Name", "Lang"], ["email", "first_name", "last_name", "language"]),
        (["Adresse e-mail", "Prénom", "Nom", "Téléphone"], ["email", "first_name", "last_name", "phone"]),
        (["E-Mail-Adresse", "Vorname", "Nachname", "Land"], ["email", "first_name", "last_name", "country"]),
        (
            ["Correo electrónico", "Nombre", "Apellidos", "Idioma"],
            ["email", "first_name", "last_name", "language"],
        ),
        (["EMAIL_ADDRESS", "GIVEN_NAME", "SURNAME", "tz"], ["email", "first_name", "last_name", "time_zone"]),
        (["Электронная почта", "Имя", "Фамилия", "Телефон"], ["email", "first_name", "last_name", "phone"]),
        (["Vorname", "Name", "Mail", "Handy"], ["first_name", "last_name", "email", "phone"]),
    ],
)
def test_headers_are_recognised_in_many_languages(header: list[str], fields: list[str]) -> None:
    columns = map_columns(header, {})
    assert columns.fields == {field: i for i, field in enumerate(fields)}
    assert columns.custom == ()


def test_unknown_columns_become_custom_fields() -> None:
    columns = map_columns(["email", "Société (HQ)", "E-Mail", ""], {})
    assert columns.custom == ((1, "societe_hq"), (2, "e_mail"))


def test_the_callers_mapping_wins() -> None:
    columns = map_columns(
        ["Kontakt", "Email", "Notes", "Firma"],
        {"kontakt": "email", "Email": None, "3": "first_name", "Firma": "custom.company"},
    )
    assert columns.fields == {"email": 0, "first_name": 2}
    assert columns.custom == ((3, "company"),)


def test_columns_without_header_are_mapped_by_number() -> None:
    columns = map_columns(["Anna", "anna@example.com"], {"2": "email", "1": "first_name"}, has_header=False)
    assert columns.fields == {"email": 1, "first_name": 0}
    assert columns.custom == ()


@pytest.mark.parametrize(
    ("header", "mapping", "words"),
    [
        (["name", "town"], {}, "no column holds"),
        (["email"], {"Mail": "email"}, "has no column 'Mail'"),
        (["email"], {"2": "email"}, "has no column '2'"),
        (["email"], {"email": "adress"}, "unknown field 'adress'"),
        (["email", "b"], {"email": "email", "b": "email"}, "two columns are mapped"),
        (["email", "b"], {"b": 3}, "must be a field name"),
        (["email", "b"], {"b": "custom."}, "unknown field"),
        (["email", "a", "b"], {"a": "custom.x", "b": "custom.x"}, "two columns would fill"),
    ],
)
def test_unusable_mappings_say_why(header: list[str], mapping: dict[str, object], words: str) -> None:
    with pytest.raises(MappingError, match=words):
        map_columns(header, mapping)


def test_same_named_unknown_columns_are_kept_apart() -> None:
    assert map_columns(["email", "Note", "Note", "note"], {}).custom == (
        (1, "note"),
        (2, "note_2"),
        (3, "note_3"),
    )
