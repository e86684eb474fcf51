"""Mails of property-service, in French and English; their variables come ready to be shown.

Every mail has `brand` (name, color, accent, logo_url, website) and `name`, the recipient's. Amounts, dates
and kinds of property are texts in the mail's language; what is not known is null (to Liquid, "" is there).
"""

from __future__ import annotations

from string import Template

from campaign_service.rendering import Content

_LAYOUT = Template("""<!DOCTYPE html>
<html lang="$language"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ brand.name }}</title>
<style>
@media (max-width: 600px) {
  .card { width: 100% !important; padding: 20px !important; }
  .stack td { display: block !important; width: auto !important; text-align: left !important; }
}
</style></head>
<body style="margin:0;padding:24px 8px;background:#f8f9fa;color:#1f2933;font-family:Arial,sans-serif">
<table role="presentation" width="100%" cellpadding="0" cellspacing="0"><tr><td align="center">
<table role="presentation" class="card" width="600" cellpadding="0" cellspacing="0"
 style="max-width:600px;padding:32px;background:#ffffff;border:1px solid #e5e7eb;border-radius:8px">
<tr><td style="padding-bottom:16px;border-bottom:3px solid {{ brand.color | css_value }}">
{% if brand.logo_url %}<img src="{{ brand.logo_url | url_start }}" alt="{{ brand.name }}" height="40">
{% else %}<strong style="font-size:22px;color:{{ brand.color | css_value }}">{{ brand.name }}</strong>
{% endif %}
</td></tr>
<tr><td style="padding-top:16px;font-size:15px;line-height:1.5">
$body
</td></tr>
<tr><td style="padding-top:24px;color:#616e7c;font-size:12px">
{% if source %}{{ source }}<br>{% endif %}$footer
</td></tr></table></td></tr></table></body></html>
""")
_BUTTON = Template(
    '{% if brand.website %}<p><a href="{{ brand.website | url_start }}" style="display:inline-block;'
    "padding:12px 20px;border-radius:6px;background:{{ brand.accent | css_value }};color:#ffffff;"
    'text-decoration:none">$label</a></p>{% endif %}'
)
_BUTTON_TEXT = Template("{% if brand.website %}\n\n$label$colon {{ brand.website }}{% endif %}")
_COLON = {"fr": " :", "en": ":"}
_FOOTER = {
    "fr": "Ce message vous est envoyé par {{ brand.name }}.",
    "en": "This message was sent to you by {{ brand.name }}.",
}
_GREETING = {"fr": "Bonjour {{ name }},", "en": "Hello {{ name }},"}
_TABLE = '<table role="presentation" width="100%" cellpadding="6" cellspacing="0">'


def _mail(
    language: str, subject: str, html: str, text: str, *, button: str | None = None, greets: bool = True
) -> Content:
    """One language of a mail: `html` and `text` are its middle."""
    opening = _GREETING[language] if greets else ""
    body = f"<p>{opening}</p>\n{html}" if opening else html
    lines = f"{opening}\n\n{text}" if opening else text
    if button:
        body += "\n" + _BUTTON.substitute(label=button)
        lines += _BUTTON_TEXT.substitute(label=button, colon=_COLON[language])
    footer = _FOOTER[language]
    return Content(
        subject=subject,
        html=_LAYOUT.substitute(language=language, body=body, footer=footer),
        text=f"{lines}\n\n{{% if source %}}{{{{ source }}}}\n{{% endif %}}{footer}\n",
    )


def _facts(rows: tuple[tuple[str, str], ...]) -> str:
    """A small table of label and value."""
    cells = "\n".join(
        f'<tr class="stack"><td style="color:#616e7c;width:40%">{label}</td><td>{value}</td></tr>'
        for label, value in rows
    )
    return f"{_TABLE}\n{cells}\n</table>"


def _lines(rows: tuple[tuple[str, str], ...], colon: str) -> str:
    return "\n".join(f"{label}{colon} {value}" for label, value in rows)


def _alert(
    language: str, subject: str, lead: str, rows: tuple[tuple[str, str], ...], closing: str
) -> Content:
    """A mail to those who keep the service running: what happened, the facts, what to do."""
    colon = _COLON[language]
    html = f"<p><strong>{lead}</strong></p>\n{_facts(rows)}\n<p>{closing}</p>"
    return _mail(language, subject, html, f"{lead}\n\n{_lines(rows, colon)}\n\n{closing}", greets=False)


_PROPERTY_HTML = Template(
    f"{_TABLE}\n"
    "{% for property in properties %}"
    '<tr class="stack"><td style="border-bottom:1px solid #e5e7eb">'
    "<strong>{{ property.address }}</strong><br>{{ property.city }}<br>"
    '<span style="color:#616e7c">{{ property.type }}{% if property.surface %} · {{ property.surface }} m²'
    "{% endif %}{% if property.rooms %} · {{ property.rooms }} $rooms{% endif %}</span></td>"
    '<td align="right" style="border-bottom:1px solid #e5e7eb">'
    "{% if property.price %}{{ property.price }}{% else %}$no_price{% endif %}<br>"
    '<span style="color:#616e7c">$sold {{ property.sale_date }}</span></td></tr>\n'
    "{% endfor %}</table>\n"
    "{% if more > 0 %}<p>$more</p>{% endif %}"
    "{% if total_price %}<p>$total</p>{% endif %}"
)
# Liquid leaves out a block that has nothing but white space: the line's end goes with its dash.
_PROPERTY_TEXT = Template(
    "{% for property in properties %}{% if forloop.first %}- {% else %}\n- {% endif %}"
    "{{ property.address }}, {{ property.city }}: {{ property.type }}"
    "{% if property.surface %}, {{ property.surface }} m²{% endif %}"
    "{% if property.rooms %}, {{ property.rooms }} $rooms{% endif %}"
    ", {% if property.price %}{{ property.price }}{% else %}$no_price{% endif %}"
    ", $sold {{ property.sale_date }}"
    "{% endfor %}"
    "{% if more > 0 %}\n\n$more{% endif %}{% if total_price %}\n\n$total{% endif %}"
)
_WORDS = {
    "fr": {
        "rooms": "pièce(s)",
        "no_price": "Prix non disponible",
        "sold": "vendu le",
        "more": "Et {{ more }} de plus dans votre espace.",
        "total": "Prix total : {{ total_price }}, prix moyen : {{ average_price }}",
    },
    "en": {
        "rooms": "room(s)",
        "no_price": "Price not available",
        "sold": "sold on",
        "more": "And {{ more }} more in your account.",
        "total": "Total price: {{ total_price }}, average price: {{ average_price }}",
    },
}


def _notification(language: str, subject: str, lead: str, button: str) -> Content:
    words = _WORDS[language]
    html = f"<p>{lead}</p>\n{_PROPERTY_HTML.substitute(words)}"
    return _mail(language, subject, html, f"{lead}\n\n{_PROPERTY_TEXT.substitute(words)}", button=button)


def _letter(language: str, subject: str, paragraphs: tuple[str, ...], button: str) -> Content:
    html = "\n".join(f"<p>{paragraph}</p>" for paragraph in paragraphs)
    return _mail(language, subject, html, "\n\n".join(paragraphs), button=button)


_NEW_FR = "{% if count == 1 %}1 nouvelle propriété{% else %}{{ count }} nouvelles propriétés{% endif %}"
_NEW_EN = "{% if count == 1 %}1 new property{% else %}{{ count }} new properties{% endif %}"
_SELECTION_FR = (
    "{% if cities %}Vos villes : {{ cities }}.{% else %}Choisissez vos villes pour recevoir votre première "
    "sélection.{% endif %}"
)
_SELECTION_EN = (
    "{% if cities %}Your cities: {{ cities }}.{% else %}Choose your cities to receive your first "
    "selection.{% endif %}"
)
_ADDRESSES_FR = "{% if count == 1 %}1 adresse{% else %}{{ count }} adresses{% endif %}"
_ADDRESSES_EN = "{% if count == 1 %}1 address{% else %}{{ count }} addresses{% endif %}"

PROPERTY_MAILS: dict[str, dict[str, Content]] = {
    "property.client_notification": {
        "fr": _notification(
            "fr",
            f"{{{{ brand.name }}}} : {_NEW_FR} pour vous",
            "{% if count == 1 %}une nouvelle propriété vient de vous être attribuée.{% else %}"
            "{{ count }} nouvelles propriétés viennent de vous être attribuées.{% endif %}",
            "Voir mes propriétés",
        ),
        "en": _notification(
            "en",
            f"{{{{ brand.name }}}}: {_NEW_EN} for you",
            "{% if count == 1 %}one new property has{% else %}{{ count }} new properties have{% endif %} "
            "just been assigned to you.",
            "See my properties",
        ),
    },
    "property.welcome": {
        "fr": _letter(
            "fr",
            "Bienvenue chez {{ brand.name }}",
            (
                "votre compte est prêt.",
                f"Le {{{{ send_day }}}} de chaque mois, vous recevrez {_ADDRESSES_FR}.",
                "Ce sont des biens dont la dernière vente remonte à plusieurs années.",
                _SELECTION_FR,
            ),
            "Ouvrir mon espace",
        ),
        "en": _letter(
            "en",
            "Welcome to {{ brand.name }}",
            (
                "your account is ready.",
                f"On day {{{{ send_day }}}} of each month you will receive {_ADDRESSES_EN}.",
                "They are of properties that were last sold some years ago.",
                _SELECTION_EN,
            ),
            "Open my account",
        ),
    },
    "property.monthly_notice": {
        "fr": _letter(
            "fr",
            "{{ brand.name }} : vos adresses arrivent demain",
            (
                f"vous recevrez {_ADDRESSES_FR} demain, le {{{{ due_date }}}}.",
                _SELECTION_FR,
            ),
            "Ouvrir mon espace",
        ),
        "en": _letter(
            "en",
            "{{ brand.name }}: your addresses arrive tomorrow",
            (
                f"you will receive {_ADDRESSES_EN} tomorrow, {{{{ due_date }}}}.",
                _SELECTION_EN,
            ),
            "Open my account",
        ),
    },
    "property.error_alert": {
        "fr": _alert(
            "fr",
            "{{ brand.name }} : échec définitif d'un traitement",
            "Un traitement a échoué et ne sera plus tenté.",
            (
                ("Traitement", "{{ job_type }}, {{ job_id }}"),
                ("Client", "{{ client_name }} {{ client_id }}"),
                ("Tentatives", "{{ attempts }}"),
                ("Erreur", "{{ error }}"),
                ("Date", "{{ failed_at }}"),
            ),
            "Corrigez la cause, puis relancez le traitement du client.",
        ),
        "en": _alert(
            "en",
            "{{ brand.name }}: a job has failed for good",
            "A job has failed and will not be tried again.",
            (
                ("Job", "{{ job_type }}, {{ job_id }}"),
                ("Client", "{{ client_name }} {{ client_id }}"),
                ("Attempts", "{{ attempts }}"),
                ("Error", "{{ error }}"),
                ("Date", "{{ failed_at }}"),
            ),
            "Remove the cause, then process the client again.",
        ),
    },
    "property.insufficient_addresses": {
        "fr": _alert(
            "fr",
            "{{ brand.name }} : {{ found }} adresse(s) sur {{ wanted }} pour {{ client_name }}",
            "Il n'y avait pas assez d'adresses pour ce client.",
            (
                ("Client", "{{ client_name }} ({{ client_email }})"),
                ("Demandées", "{{ wanted }}"),
                ("Trouvées", "{{ found }}"),
                ("Villes", "{{ cities }}"),
                ("Types de biens", "{{ types }}"),
                ("Ventes retenues", "{{ window }}"),
            ),
            "Ajoutez des villes ou des types de biens, ou importez d'autres ventes.",
        ),
        "en": _alert(
            "en",
            "{{ brand.name }}: {{ found }} of {{ wanted }} address(es) for {{ client_name }}",
            "There were not enough addresses for this client.",
            (
                ("Client", "{{ client_name }} ({{ client_email }})"),
                ("Wanted", "{{ wanted }}"),
                ("Found", "{{ found }}"),
                ("Cities", "{{ cities }}"),
                ("Property types", "{{ types }}"),
                ("Sales considered", "{{ window }}"),
            ),
            "Add cities or property types, or import more sales.",
        ),
    },
    "property.mail_test": {
        "fr": _letter(
            "fr",
            "{{ brand.name }} : e-mail de test",
            ("cet e-mail montre que l'envoi fonctionne.",),
            "Ouvrir mon espace",
        ),
        "en": _letter(
            "en",
            "{{ brand.name }}: test e-mail",
            ("this e-mail shows that sending works.",),
            "Open my account",
        ),
    },
}
