from datetime import UTC, date, datetime


def this_month() -> date:
    """The first day of the calendar month in UTC: quota periods do not follow a tenant's time zone."""
    return datetime.now(UTC).date().replace(day=1)
