"""How mail leaves: one URL, as Django's settings want it.

console://                                      into the terminal of the jobs process (development)
smtp://user:password@mail.example.org:587       SMTP; `smtp+tls://` demands STARTTLS, `smtps://` is TLS from the start
file:///var/spool/mails                         a file a mail
my.package.EmailBackend://?key=value            any other back-end of Django's, with its options
"""

from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

#: A server that does not answer must not hold a jobs process for ever.
TIMEOUT: Final = 20
_BACKENDS: Final = "django.core.mail.backends"
_PORTS: Final = {"smtp": 25, "smtp+tls": 587, "smtps": 465}


def mailer(url: str) -> dict[str, Any]:
    """`{"BACKEND", "OPTIONS"}`, options as the back-end names them. Raises ValueError, which never repeats the URL."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("is not a URL") from None
    scheme, is_url, _ = url.partition("://")
    if scheme in _PORTS:
        return {"BACKEND": f"{_BACKENDS}.smtp.EmailBackend", "OPTIONS": _smtp(parts, scheme, port)}
    if scheme == "console":
        return {"BACKEND": f"{_BACKENDS}.console.EmailBackend", "OPTIONS": {}}
    if scheme == "file" and parts.path:
        return {"BACKEND": f"{_BACKENDS}.filebased.EmailBackend", "OPTIONS": {"file_path": unquote(parts.path)}}
    if is_url and "." in scheme:
        return {"BACKEND": scheme, "OPTIONS": dict(parse_qsl(parts.query))}
    raise ValueError("must start with console:, smtp:, smtp+tls:, smtps:, file:/ or a Django back-end's name")


def _smtp(parts: SplitResult, scheme: str, port: int | None) -> dict[str, Any]:
    if not parts.hostname:
        raise ValueError("names no mail server")
    return {
        "host": parts.hostname,
        "port": port or _PORTS[scheme],
        "username": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "use_tls": scheme == "smtp+tls",
        "use_ssl": scheme == "smtps",
        "timeout": TIMEOUT,
    }


def mail_settings(mailer: dict[str, Any]) -> dict[str, Any]:
    """Django's settings for it: one for the back-end, and one for each of its options."""
    options = mailer["OPTIONS"]
    named = {"host": "HOST", "port": "PORT", "username": "HOST_USER", "password": "HOST_PASSWORD"}
    named |= {"use_tls": "USE_TLS", "use_ssl": "USE_SSL", "timeout": "TIMEOUT", "file_path": "FILE_PATH"}
    return {"EMAIL_BACKEND": mailer["BACKEND"]} | {
        f"EMAIL_{setting}": options[option] for option, setting in named.items() if option in options
    }
