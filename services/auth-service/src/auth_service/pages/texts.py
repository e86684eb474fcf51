"""What the pages say, by language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Language = Literal["en", "fr"]
Name = Literal["verify-email", "password/forgot", "password/reset"]


@dataclass(frozen=True, slots=True)
class Page:
    """One form: `fields` are (name, label, input type, autocomplete)."""

    title: str
    lead: str
    fields: tuple[tuple[str, str, str, str], ...]
    button: str
    done: str


FAILED: dict[Language, str] = {
    "en": "That did not work. Please ask for a new link and try again.",
    "fr": "Cela n'a pas fonctionné. Demandez un nouveau lien et réessayez.",
}
NO_SCRIPT: dict[Language, str] = {
    "en": "This page needs JavaScript.",
    "fr": "Cette page nécessite JavaScript.",
}
PAGES: dict[Name, dict[Language, Page]] = {
    "verify-email": {
        "en": Page(
            "Confirm your e-mail address",
            "Press the button to confirm that this address is yours.",
            (),
            "Confirm",
            "Thank you, your address is confirmed.",
        ),
        "fr": Page(
            "Confirmez votre adresse e-mail",
            "Appuyez sur le bouton pour confirmer que cette adresse est la vôtre.",
            (),
            "Confirmer",
            "Merci, votre adresse est confirmée.",
        ),
    },
    "password/forgot": {
        "en": Page(
            "Choose a new password",
            "We will send you a link that works for an hour.",
            (("email", "E-mail address", "email", "email"),),
            "Send the link",
            "If the address has an account, a mail is on its way.",
        ),
        "fr": Page(
            "Choisir un nouveau mot de passe",
            "Nous vous enverrons un lien valable une heure.",
            (("email", "Adresse e-mail", "email", "email"),),
            "Envoyer le lien",
            "Si cette adresse a un compte, un message est en route.",
        ),
    },
    "password/reset": {
        "en": Page(
            "Choose a new password",
            "At least twelve characters; a few unrelated words are a good choice.",
            (("new_password", "New password", "password", "new-password"),),
            "Save",
            "Your password is changed. You can sign in now.",
        ),
        "fr": Page(
            "Choisir un nouveau mot de passe",
            "Au moins douze caractères ; quelques mots sans rapport font l'affaire.",
            (("new_password", "Nouveau mot de passe", "password", "new-password"),),
            "Enregistrer",
            "Votre mot de passe est changé. Vous pouvez vous connecter.",
        ),
    },
}


def language_of(accept: str) -> Language:
    """French when it is the first language of an Accept-Language header, else English."""
    return "fr" if accept.strip().lower().startswith("fr") else "en"
