import pytest

from campaign_service.validation.lists import typo_domains
from campaign_service.validation.rules import Finding, assess


@pytest.mark.parametrize(
    ("email", "status", "score", "reasons"),
    [
        ("ann@example.com", "valid", 1.0, ()),
        ("Info@example.com", "valid", 0.8, ("role_account",)),
        ("sales+spring@example.com", "valid", 0.8, ("role_account",)),
        ("ann@gmial.com", "risky", 0.7, ("typo_domain:gmail.com",)),
        ("ann@hotmail.con", "risky", 0.7, ("typo_domain:hotmail.com",)),
        ("ann@mailinator.com", "risky", 0.5, ("disposable_domain",)),
        ("ann@inbox.MAILINATOR.com", "risky", 0.5, ("disposable_domain",)),
        ("info@gmial.com", "risky", 0.5, ("role_account", "typo_domain:gmail.com")),
        ("info@mailinator.com", "invalid", 0.3, ("disposable_domain", "role_account")),
        ("nobody", "invalid", 0.0, ("email_invalid",)),
        ("ann@-example-.com", "invalid", 0.0, ("email_domain_invalid",)),
    ],
)
def test_the_score_follows_the_rule(email: str, status: str, score: float, reasons: tuple[str, ...]) -> None:
    assert assess(email, "accepts") == Finding(status, score, reasons)  # type: ignore[arg-type]


@pytest.mark.parametrize("verdict", ["null_mx", "no_mail_server"])
def test_a_domain_without_mail_is_invalid(verdict: str) -> None:
    assert assess("ann@example.com", verdict) == Finding("invalid", 0.0, (verdict,))  # type: ignore[arg-type]


def test_silence_of_the_dns_makes_no_address_invalid() -> None:
    assert assess("ann@example.com", None) == Finding("unknown", 1.0, ("dns_unavailable",))
    assert assess("ann@gmial.com", None).status == "risky"
    assert assess("ann@example.com", None, dns_wanted=False) == Finding("valid", 1.0)


def test_no_provider_counts_as_a_mistyped_other_one() -> None:
    real = {"gmail.com", "mail.com", "ymail.com", "email.com", "yahoo.com", "yahoo.fr", "orange.fr"}
    assert not real & typo_domains().keys()
    assert set(typo_domains().values()) <= {*real, *typo_domains().values()} - typo_domains().keys()
