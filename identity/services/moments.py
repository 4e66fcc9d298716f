"""Moments in messages to people, who may be anywhere."""

from datetime import UTC, datetime


def spoken(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%-d %B %Y, %H:%M UTC")
