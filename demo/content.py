"""The mail that the demo sends, in two languages, in Liquid."""

SHARED_LINKS = (
    "https://www.example.com/catalogue.pdf",
    "https://www.example.com/contact?from=mail&season=spring",
)
LINKS = {
    "fr": ("https://www.example.com/fr/printemps", "https://www.example.com/fr/ateliers", *SHARED_LINKS),
    "en": ("https://www.example.com/en/spring", "https://www.example.com/en/workshops", *SHARED_LINKS),
}
DEFAULT_LANGUAGE = "en"

SUBJECTS = {
    "fr": "{{ first_name | default: 'Bonjour' }}, le printemps arrive à la pépinière",
    "en": "{{ first_name | default: 'Hello' }}, spring has come to the nursery",
}
_HTML = """<!doctype html>
<html lang="{lang}"><head><meta charset="utf-8"><style>
.body {{ font: 16px/1.5 Georgia, serif; color: #23361f }} .button {{ background: #3c6e2f; color: #ffffff }}
</style></head><body class="body">
<h1>{title}</h1>
<p>{greeting}</p>
{{% if contact.custom.societe %}}<p>{company}</p>{{% endif %}}
<p>{offer}</p>
<p><a class="button" href="{links[0]}">{words[0]}</a></p>
<ul><li><a href="{links[1]}">{words[1]}</a></li>
<li><a href="{links[2]}">{words[2]}</a></li>
<li><a href="{links[3]}">{words[3]}</a></li></ul>
<p><small>{footer} <a href="{{{{ unsubscribe_url }}}}">{words[4]}</a></small></p>
</body></html>"""
_WORDS = {
    "fr": {
        "title": "Des fleurs dès la première heure",
        "greeting": "Cher·ère {{ first_name }} {{ last_name }},",
        "company": "Toute l’équipe de {{ contact.custom.societe }} est la bienvenue.",
        "offer": "Jusqu’à la fin du mois, –15 % sur les vivaces près de chez vous ({{ contact.country }}).",
        "words": (
            "Voir les nouveautés",
            "Ateliers du samedi",
            "Catalogue (PDF)",
            "Écrivez-nous",
            "Se désabonner",
        ),
        "footer": "Vous recevez ce message à l’adresse {{ email }}.",
    },
    "en": {
        "title": "Flowers from the first hour",
        "greeting": "Dear {{ first_name }} {{ last_name }},",
        "company": "Everybody at {{ contact.custom.societe }} is welcome.",
        "offer": "Until the end of the month, 15 % off perennials near you ({{ contact.country }}).",
        "words": ("See what is new", "Saturday workshops", "Catalogue (PDF)", "Write to us", "Unsubscribe"),
        "footer": "You receive this message at {{ email }}.",
    },
}


def language_of(language: str) -> str:
    """The language a contact's mail is written in."""
    return language if language in LINKS else DEFAULT_LANGUAGE


def links_of(language: str) -> tuple[str, ...]:
    """The four links of a contact's mail, in their order."""
    return LINKS[language_of(language)]


def subject_for(language: str, first_name: str) -> str:
    """The subject a contact must read."""
    text = SUBJECTS[language_of(language)]
    return first_name + text[text.index("}}") + 2 :]


def template() -> dict[str, object]:
    """The template as the API takes it."""
    contents = {language: {"subject": SUBJECTS[language], "html": _html(language)} for language in LINKS}
    return {
        "name": "Spring at the nursery",
        "category": "newsletter",
        "default_language": DEFAULT_LANGUAGE,
        "contents": contents,
    }


def _html(language: str) -> str:
    return _HTML.format(lang=language, links=LINKS[language], **_WORDS[language])
