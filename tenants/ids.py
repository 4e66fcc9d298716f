"""Identifiers: UUIDv7 (RFC 9562), made here and not in the database, so that a row's id is known before it is sent."""

from datetime import UTC, datetime
from uuid import UUID

from uuid_utils import compat


def uuid7() -> UUID:
    return compat.uuid7()


def uuid7_floor(moment: datetime) -> UUID:
    """The smallest UUIDv7 of a millisecond: lists by time are ranges of ids."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)


def uuid7_time(value: UUID) -> datetime:
    return datetime.fromtimestamp((value.int >> 80) / 1000, tz=UTC)


def uuid7_millisecond(value: UUID) -> UUID:
    """The smallest UUIDv7 of the millisecond in which this one was made."""
    return UUID(int=value.int >> 80 << 80)
