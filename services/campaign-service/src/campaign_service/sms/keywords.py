"""Words with which people stop, start or ask, in English, French, Spanish and German."""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

Keyword = Literal["stop", "start", "help"]
Language = Literal["en", "fr", "es", "de"]

_WORDS: dict[Keyword, dict[Language, str]] = {
    "stop": {
        "en": "stop stopall unsubscribe cancel end quit optout revoke",
        "fr": "arret arreter desabonner desinscription",
        "es": "alto parar baja cancelar",
        "de": "stopp abmelden abbestellen ende",
    },
    "start": {
        "en": "start unstop yes",
        "fr": "reprendre debut",
        "es": "iniciar alta",
        "de": "anmelden starten",
    },
    "help": {"en": "help info", "fr": "aide", "es": "ayuda", "de": "hilfe"},
}
_MEANINGS = {
    word: (keyword, language)
    for keyword, languages in _WORDS.items()
    for language, words in languages.items()
    for word in words.split()
}
#: What a stop may begin with, and what may follow without making it a sentence about something else.
_PLAINLY = ("stop", "stopall", "unsubscribe", "arret", "desabonner", "stopp", "abmelden")
_BESIDE = re.compile(
    "please|pls|plz|thanks|thank|you|now|all|it|this|me|texts?|texting|txt|sms|messages?|pub|[0-9]+"
    "|svp|merci|s|il|vous|plait|por|favor|gracias|bitte|danke"
)
_ANSWERS: dict[Keyword, dict[Language, str]] = {
    "stop": {
        "en": "You are unsubscribed and will get no more texts. Reply START to get them again.",
        "fr": "Vous êtes désinscrit et ne recevrez plus de SMS. Répondez REPRENDRE pour en recevoir.",
        "es": "Se ha dado de baja y no recibirá más SMS. Responda ALTA para volver a recibirlos.",
        "de": "Sie sind abgemeldet und erhalten keine SMS mehr. Mit ANMELDEN erhalten Sie wieder welche.",
    },
    "start": {
        "en": "You will get our texts again. Reply STOP to end them.",
        "fr": "Vous recevrez de nouveau nos SMS. Répondez STOP pour les arrêter.",
        "es": "Volverá a recibir nuestros SMS. Responda STOP para dejar de recibirlos.",
        "de": "Sie erhalten unsere SMS wieder. Antworten Sie STOP, um sie zu beenden.",
    },
    "help": {
        "en": "Reply STOP to get no more texts. Message and data rates may apply.",
        "fr": "Répondez STOP pour ne plus recevoir de SMS.",
        "es": "Responda STOP para no recibir más SMS.",
        "de": "Antworten Sie STOP, um keine SMS mehr zu erhalten.",
    },
}
_EDGES = re.compile(r"^\W+|\W+$")


def meaning(body: str) -> tuple[Keyword, Language] | None:
    """What a text that is one keyword asks for; a keyword within a sentence asks for nothing.

    Who says stop may say it politely, again and again, or add what is to stop.
    """
    text = unicodedata.normalize("NFKD", body.casefold())
    text = "".join(c for c in text if not unicodedata.combining(c))
    word = _EDGES.sub("", text)
    word = "stopall" if word == "stop all" else "optout" if word in ("opt out", "opt-out") else word
    words = re.findall(r"\w+", text)
    if words and words[0] in _PLAINLY and all(w in _PLAINLY or _BESIDE.fullmatch(w) for w in words[1:]):
        return _MEANINGS[words[0]]
    return _MEANINGS.get(word)


def answer(keyword: Keyword, language: str | None, own_help: str | None = None) -> str:
    """What is answered, in a language we have, else in English; `own_help` is the tenant's text for help."""
    if keyword == "help" and own_help:
        return own_help
    texts = _ANSWERS[keyword]
    base = (language or "en").partition("-")[0]
    return next((text for name, text in texts.items() if name == base), texts["en"])
