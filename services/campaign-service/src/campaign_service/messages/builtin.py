"""Mails of the platform itself. Each has variables `name` and `url`."""

from __future__ import annotations

from campaign_service.rendering import Content

_LAYOUT = """<!DOCTYPE html>
<html lang="{language}"><head><meta charset="utf-8"><title>{subject}</title></head>
<body style="margin:0;padding:24px;background:#f4f5f7;font-family:Helvetica,Arial,sans-serif;color:#1f2933">
<table role="presentation" width="100%" cellpadding="0" cellspacing="0"><tr><td align="center">
<table role="presentation" width="560" cellpadding="0" cellspacing="0" style="background:#fff;padding:32px">
<tr><td><p>{greeting} {{{{ name }}}},</p>
{paragraphs}
{button}
<p style="color:#616e7c;font-size:13px">{footer}</p></td></tr></table></td></tr></table></body></html>
"""
_BUTTON = (
    '<p><a href="{{{{ url }}}}" style="display:inline-block;padding:12px 20px;background:#1d4ed8;'
    'color:#ffffff;text-decoration:none">{label}</a></p>'
)


def _content(language: str, subject: str, paragraphs: tuple[str, ...], label: str, footer: str) -> Content:
    greeting = {"en": "Hello", "fr": "Bonjour"}[language]
    html = _LAYOUT.format(
        language=language,
        subject=subject,
        greeting=greeting,
        paragraphs="\n".join(f"<p>{paragraph}</p>" for paragraph in paragraphs),
        button=_BUTTON.format(label=label),
        footer=footer,
    )
    lines = (f"{greeting} {{{{ name }}}},", *paragraphs, f"{label}: {{{{ url }}}}", footer)
    return Content(subject=subject, html=html, text="\n\n".join(lines) + "\n")


BUILTIN: dict[str, dict[str, Content]] = {
    "auth.verify_email": {
        "en": _content(
            "en",
            "Confirm your e-mail address",
            ("please confirm that this address is yours. The link can be used once.",),
            "Confirm this address",
            "If you did not create an account, ignore this message.",
        ),
        "fr": _content(
            "fr",
            "Confirmez votre adresse e-mail",
            ("merci de confirmer que cette adresse est bien la vôtre. Le lien ne sert qu'une fois.",),
            "Confirmer cette adresse",
            "Si vous n'avez pas créé de compte, ignorez ce message.",
        ),
    },
    "auth.password_reset": {
        "en": _content(
            "en",
            "Choose a new password",
            ("somebody, we hope you, asked for a new password. The link can be used once.",),
            "Choose a new password",
            "If it was not you, ignore this message: your password stays as it is.",
        ),
        "fr": _content(
            "fr",
            "Choisissez un nouveau mot de passe",
            ("un nouveau mot de passe a été demandé pour votre compte. Le lien ne sert qu'une fois.",),
            "Choisir un nouveau mot de passe",
            "Si ce n'était pas vous, ignorez ce message : votre mot de passe reste inchangé.",
        ),
    },
    "auth.account_exists": {
        "en": _content(
            "en",
            "You already have an account",
            ("somebody tried to register with your address. You have an account already.",),
            "Sign in",
            "If it was not you, there is nothing to do.",
        ),
        "fr": _content(
            "fr",
            "Vous avez déjà un compte",
            ("quelqu'un a voulu s'inscrire avec votre adresse. Vous avez déjà un compte.",),
            "Se connecter",
            "Si ce n'était pas vous, il n'y a rien à faire.",
        ),
    },
    "auth.session_reuse": {
        "en": _content(
            "en",
            "We signed you out to be safe",
            (
                "a sign-in of your account was used a second time, which can mean that it was copied.",
                "We ended that session. Please sign in again; change your password if this surprises you.",
            ),
            "Sign in",
            "This message was sent to the owner of the account.",
        ),
        "fr": _content(
            "fr",
            "Vous avez été déconnecté par sécurité",
            (
                "une connexion à votre compte a servi une seconde fois : elle a peut-être été copiée.",
                "Nous avons fermé cette session. Reconnectez-vous ; changez de mot de passe en cas de doute.",
            ),
            "Se connecter",
            "Ce message est adressé au titulaire du compte.",
        ),
    },
}
