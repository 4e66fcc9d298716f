"""Fields of a vendor's answer whose values are secrets in themselves, masked by name wherever they stand."""

from collections.abc import Iterable
from typing import Any

MASK = "[redacted]"
ALWAYS = frozenset({
    "access_token", "api_key", "apikey", "client_secret", "new_password", "old_password", "otp_secret", "password",
    "portalpassword", "refresh_token", "resetpassword", "secret", "share_url", "teamviewerpassword", "token",
})  # fmt: skip


def redact(value: Any, names: Iterable[str] = ()) -> Any:
    return _redact(value, ALWAYS | {name.casefold() for name in names})


def _redact(value: Any, names: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {
            key: MASK if str(key).casefold() in names and item not in (None, "") else _redact(item, names)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_redact(item, names) for item in value]
    return value
