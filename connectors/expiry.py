"""Until when a credential is good at its vendor, as whoever entered it says. A health check has the vendor's word."""

from datetime import UTC, date
from enum import Enum
from typing import Final

from django.utils import timezone

from connectors.models import Credential
from tenants.errors import Invalid


class Kept(Enum):
    """In place of a date: leave what is known."""

    KEPT = "kept"


KEPT: Final = Kept.KEPT


def set_expiry(credential: Credential, expires_on: date | None) -> None:
    """None: it has no end that anybody knows. In the transaction that stores or configures it."""
    if expires_on == credential.expires_on:
        return
    if expires_on is not None and expires_on < timezone.now().astimezone(UTC).date():
        raise Invalid("This day is over. Give the last day on which the credential is good.", field="expires_on")
    credential.expires_on, credential.warned_days = expires_on, None
    credential.save(update_fields=["expires_on", "warned_days"])
