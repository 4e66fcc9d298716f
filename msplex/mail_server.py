"""Where e-mail goes: MSPLEX_EMAIL_URL as Django's settings."""

from typing import Any
from urllib.parse import unquote, urlsplit

DEFAULT_PORTS = {"smtp": 25, "smtp+tls": 587, "smtp+ssl": 465}
TIMEOUT_SECONDS = 20
ADVICE = "give it as smtp+tls://user:password@host:587 (or smtp+ssl://, or smtp:// within your own network)"


def check_email_url(url: str) -> str:
    """ValueError, without the password in it, unless the address can be used."""
    parts = urlsplit(url)
    if url and (parts.scheme not in DEFAULT_PORTS or not parts.hostname or parts.path.strip("/")):
        raise ValueError(ADVICE)
    return url


def email_settings(url: str, sender: str, *, production: bool) -> dict[str, Any]:
    settings = {"DEFAULT_FROM_EMAIL": sender, "SERVER_EMAIL": sender, "EMAIL_TIMEOUT": TIMEOUT_SECONDS}
    if not url:
        backend = "MissingBackend" if production else "TerminalBackend"
        return settings | {"EMAIL_BACKEND": f"identity.mail_backends.{backend}"}
    parts = urlsplit(url)
    return settings | {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": parts.port or DEFAULT_PORTS[parts.scheme],
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_TLS": parts.scheme == "smtp+tls",
        "EMAIL_USE_SSL": parts.scheme == "smtp+ssl",
    }
