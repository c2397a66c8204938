"""Where mail goes is one URL, and Django's settings come out of it; a wrong one is refused and not repeated."""

from typing import Any

import pytest
from pydantic import ValidationError

from config.env import Env
from config.mail import TIMEOUT, mail_settings, mailer

SMTP = "django.core.mail.backends.smtp.EmailBackend"


def smtp(**change: Any) -> dict[str, Any]:
    plain = {"host": "mail.example.org", "port": 25, "username": "", "password": "", "use_tls": False, "use_ssl": False}
    return {"BACKEND": SMTP, "OPTIONS": plain | {"timeout": TIMEOUT} | change}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail.example.org", smtp()),
        ("smtp://mail.example.org:2525", smtp(port=2525)),
        ("smtp+tls://mail.example.org", smtp(port=587, use_tls=True)),
        ("smtps://me%40example.org:a%2Fb@mail.example.org", smtp(
            port=465, use_ssl=True, username="me@example.org", password="a/b"
        )),
        ("console://", {"BACKEND": "django.core.mail.backends.console.EmailBackend", "OPTIONS": {}}),
        (
            "file:///var/mails",
            {"BACKEND": "django.core.mail.backends.filebased.EmailBackend", "OPTIONS": {"file_path": "/var/mails"}},
        ),
        (
            "anymail.backends.x.EmailBackend://?key=v",
            {"BACKEND": "anymail.backends.x.EmailBackend", "OPTIONS": {"key": "v"}},
        ),
    ],
)  # fmt: skip
def test_a_url_says_how_mail_leaves(url: str, expected: dict[str, Any]) -> None:
    assert mailer(url) == expected


def test_django_has_a_setting_for_each_option() -> None:
    assert mail_settings(mailer("smtps://me:secret@mail.example.org:4650")) == {
        "EMAIL_BACKEND": SMTP,
        "EMAIL_HOST": "mail.example.org",
        "EMAIL_PORT": 4650,
        "EMAIL_HOST_USER": "me",
        "EMAIL_HOST_PASSWORD": "secret",
        "EMAIL_USE_TLS": False,
        "EMAIL_USE_SSL": True,
        "EMAIL_TIMEOUT": TIMEOUT,
    }


@pytest.mark.parametrize(
    "url", ["", "mail.example.org", "http://me:secret@x", "smtp://", "smtp://me:secret@x:port", "file:"]
)
def test_a_url_that_says_nothing_is_refused_without_its_secrets(url: str) -> None:
    with pytest.raises(ValueError, match=r"must start|names no|is not a URL") as refusal:
        mailer(url)

    assert "secret" not in str(refusal.value)


def test_a_process_with_a_wrong_url_does_not_start_and_does_not_repeat_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHARF_EMAIL_URL", "pigeon://me:secret@loft")

    with pytest.raises(ValidationError, match="email_url") as refusal:
        Env()  # type: ignore[call-arg]  # the fields come from the environment

    assert "secret@" not in str(refusal.value)
