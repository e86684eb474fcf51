"""How the values of a contact are written: language, country, and the lengths that are accepted."""

import re
from functools import lru_cache

#: Longest accepted value per text field, in characters.
LIMITS = {
    "phone": 40,
    "first_name": 200,
    "last_name": 200,
    "country": 64,
    "time_zone": 64,
    "category": 64,
}
CUSTOM_VALUE_LIMIT = 5000

_LANGUAGE = re.compile(r"([a-z]{2,3})(?:[-_][a-z0-9]{2,8})*")
_LANGUAGE_NAMES = {
    "ar": "arabic arabe arabisch arabo العربية",
    "de": "german deutsch allemand aleman tedesco alemao duits",
    "en": "english anglais englisch ingles inglese engels",
    "es": "spanish espanol español espagnol spanisch spagnolo espanhol spaans castellano",
    "fr": "french francais français franzosisch französisch frances francés francese francês frans",
    "hi": "hindi हिन्दी",
    "it": "italian italiano italien italienisch italiaans",
    "nl": "dutch nederlands niederländisch neerlandais néerlandais holandes olandese",
    "pt": "portuguese portugues português portugais portugiesisch portoghese portugees",
    "ru": "russian russe russisch ruso russo русский",
    "zh": "chinese chinois chinesisch chino cinese chinês 中文",
}
_BY_LANGUAGE_NAME = {name: code for code, names in _LANGUAGE_NAMES.items() for name in names.split()}
_COUNTRY_NAMES = {
    "AT": "austria osterreich österreich autriche",
    "BE": "belgium belgique belgien belgie belgië belgica bélgica",
    "CA": "canada kanada",
    "CH": "switzerland suisse schweiz svizzera suiza",
    "DE": "germany deutschland allemagne alemania germania",
    "ES": "spain espana españa espagne spanien spagna",
    "FR": "france frankreich francia frança frankrijk",
    "GB": "uk england",
    "IE": "ireland irlande irland irlanda",
    "IT": "italy italia italie italien",
    "LU": "luxembourg luxemburg luxemburgo",
    "NL": "netherlands nederland niederlande holland",
    "NO": "norway norge norwegen norvège norvege",
    "PL": "poland polska polen pologne polonia",
    "PT": "portugal",
    "SE": "sweden sverige schweden suède suede",
    "US": "usa",
}
_BY_COUNTRY_NAME = {name: code for code, names in _COUNTRY_NAMES.items() for name in names.split()} | {
    "united kingdom": "GB",
    "great britain": "GB",
    "united states": "US",
    "united states of america": "US",
    "pays-bas": "NL",
    "the netherlands": "NL",
}


@lru_cache(maxsize=4096)
def language_code(text: str) -> str | None:
    """`fr-FR`, `FR`, `French`, `français` → `fr`; None for what is not a language."""
    value = text.strip().casefold()
    if value in _BY_LANGUAGE_NAME:
        return _BY_LANGUAGE_NAME[value]
    match = _LANGUAGE.fullmatch(value)
    return match[1] if match else None


@lru_cache(maxsize=4096)
def country_code(text: str) -> str:
    """`fr`, `France`, `Frankreich` → `FR`; a name that is not known stays as it is."""
    value = text.strip()
    if len(value) == 2 and value.isascii() and value.isalpha():
        return value.upper()
    return _BY_COUNTRY_NAME.get(value.casefold(), value)
