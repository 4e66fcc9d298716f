"""What the installation publishes about its keys. In a pack for display only: trust comes from elsewhere."""

from datetime import UTC, datetime
from typing import Any

from audit.canonical import canonical
from audit.log_keys import LogKey, installation, log_keys
from audit.tlog.note import VerifierKey


def described(key: LogKey) -> dict[str, Any]:
    """Times are in UTC."""
    return {
        "fingerprint": key.fingerprint,
        "pem": key.pem,
        "valid_from": _moment(key.since),
        "valid_until": _moment(key.until) if key.until else None,
        "vkey": str(VerifierKey(installation(), key.public)),
    }


def key_page() -> bytes:
    return canonical({"keys": [described(key) for key in log_keys()]})


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
